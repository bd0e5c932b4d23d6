"""The way of one call: placed, protected, tried again, and written on the wire."""
