"""Capabilities that have left the monolith: one FastAPI service per folder."""
