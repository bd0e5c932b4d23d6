"""The capability."""
