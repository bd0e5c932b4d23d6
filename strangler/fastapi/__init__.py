"""The service's side: a chassis for FastAPI services, so that each is only what it is about."""
