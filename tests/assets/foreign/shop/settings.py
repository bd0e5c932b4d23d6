"""The fewest settings that the kit can live with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(os.environ["SHOP_ROOT"])
SECRET_KEY = "a test's"
USE_TZ = False
TIME_ZONE = "Asia/Kathmandu"
INSTALLED_APPS = ["strangler.django", "shop.billing"]
MIDDLEWARE = ["strangler.django.middleware.EdgeMiddleware"]
ROOT_URLCONF = "shop.urls"
LOGGING_CONFIG = None


def _plane() -> dict[str, Any]:
    url = urlsplit(os.environ.get("SHOP_DATABASE", ""))
    if not url.scheme:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": ROOT / "plane.sqlite3"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": url.hostname,
        "PORT": url.port,
        "NAME": url.path[1:],
        "USER": url.username,
    }


DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ROOT / "shop.sqlite3"},
    "plane": _plane(),
}
STRANGLER = {
    "MANIFEST": ROOT / "capabilities.toml",
    "TABLE": ROOT / "table",
    "KEYS": ROOT / "keys",
    "DATABASE": "plane",
    "WIRING": "shop.billing.wiring",
}
