"""The tables of shipping, step by step."""
