"""Somebody else's project, in which everything hangs together."""
