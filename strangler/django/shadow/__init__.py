"""Shadow within Django: samples of answers, asked again without changing anything."""
