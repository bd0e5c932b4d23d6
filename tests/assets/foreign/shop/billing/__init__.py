"""A context without tables."""
