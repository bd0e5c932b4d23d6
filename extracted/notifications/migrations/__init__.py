"""The tables of this service, step by step."""
