"""What has been carved out: one FastAPI service per folder, none of which knows the monolith."""
