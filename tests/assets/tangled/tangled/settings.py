"""The fewest settings for users of its own, content types and the kit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(os.environ["TANGLED_ROOT"])
SECRET_KEY = "a test's"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "strangler.django",
    "tangled.people",
    "tangled.sales",
    "tangled.desk",
]
AUTH_USER_MODEL = "people.User"
MIDDLEWARE = ["strangler.django.middleware.EdgeMiddleware"]
ROOT_URLCONF = "tangled.urls"
LOGGING_CONFIG = None
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _database() -> dict[str, Any]:
    url = urlsplit(os.environ.get("TANGLED_DATABASE", ""))
    if not url.scheme:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": ROOT / "tangled.sqlite3"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": url.hostname,
        "PORT": url.port,
        "NAME": url.path[1:],
        "USER": url.username,
    }


DATABASES = {"default": _database()}
STRANGLER = {
    "MANIFEST": ROOT / "capabilities.toml",
    "TABLE": ROOT / "table",
    "KEYS": ROOT / "keys",
}
