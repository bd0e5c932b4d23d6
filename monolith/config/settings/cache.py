"""Redis when ``REDIS_URL`` is set; otherwise each process has its own memory."""

from __future__ import annotations

from typing import Any

from monolith.config.settings.env import env

REDIS_URL = env.str("REDIS_URL", default="")

CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "monolith",
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
