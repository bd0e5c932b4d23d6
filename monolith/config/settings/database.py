"""SQLite in ``var/`` unless ``DATABASE_URL`` names another database."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from monolith.config.settings.env import VAR, env

SQLITE = VAR / "monolith.sqlite3"


EMBEDDED = not env.str("DATABASE_URL", default="")
_WANTED = (  # what it says is not repeated: there may be a password in it
    "DATABASE_URL names no database: it is a URL such as "
    "postgres://user:password@host:5432/name or sqlite:////path/to/file; "
    f"without it, the shop keeps {SQLITE}"
)


def _database() -> dict[str, Any]:
    """SQLite locks when a transaction begins, so that no reader fails to become a writer.

    It waits for the disk at checkpoints only: what a power cut may take is the last moments of an
    embedded shop, and never its integrity.
    """
    url = f"sqlite:///{SQLITE}" if EMBEDDED else env.str("DATABASE_URL")
    if url.partition("://")[0] not in Env.DB_SCHEMES:
        raise ImproperlyConfigured(_WANTED)
    try:
        database: dict[str, Any] = Env.db_url_config(url)
    except ValueError as error:
        raise ImproperlyConfigured(_WANTED) from error
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


if EMBEDDED:
    VAR.mkdir(parents=True, exist_ok=True)

DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
