"""Events inside a Django project: publishing, the kit's tables, relays."""
