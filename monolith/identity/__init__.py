"""Who our users are, and how they prove it."""
