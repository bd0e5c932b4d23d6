"""The shipping context: what has been sent to whom, and where it is."""
