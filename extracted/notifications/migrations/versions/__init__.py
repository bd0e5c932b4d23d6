"""The steps, which Alembic loads by their paths."""
