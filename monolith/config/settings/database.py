"""SQLite in ``var/`` unless ``DATABASE_URL`` names another database."""

from __future__ import annotations

from typing import Any

from monolith.config.settings.env import VAR, env

SQLITE = VAR / "monolith.sqlite3"


def _database() -> dict[str, Any]:
    """SQLite locks when a transaction begins, so that no reader fails to become a writer.

    It waits for the disk at checkpoints only: what a power cut may take is the last moments of an
    embedded shop, and never its integrity.
    """
    database: dict[str, Any] = env.db_url("DATABASE_URL", default=f"sqlite:///{SQLITE}")
    database["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["OPTIONS"] = {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        }
    else:
        database["CONN_HEALTH_CHECKS"] = True
    return database


EMBEDDED = not env.str("DATABASE_URL", default="")
if EMBEDDED:
    VAR.mkdir(parents=True, exist_ok=True)

DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
