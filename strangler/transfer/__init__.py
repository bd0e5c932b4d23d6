"""Rows change owner, both ways, and nothing is lost."""
