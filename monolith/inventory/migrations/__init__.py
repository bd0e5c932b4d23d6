"""The tables of inventory, step by step."""
