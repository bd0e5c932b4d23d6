"""Identity's management commands."""
