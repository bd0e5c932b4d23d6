"""Whom and what others point to: it stays in the monolith."""
