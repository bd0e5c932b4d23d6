"""The tables of ordering, step by step."""
