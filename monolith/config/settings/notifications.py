"""How customers are told: by the mail server at ``EMAIL_URL``; without one, mail is kept."""

from __future__ import annotations

from typing import Any

from environ import Env

from monolith.config.settings.env import VAR, env

_URL = env.str("EMAIL_URL", default="")
_MAIL: dict[str, Any] = Env.email_url_config(_URL) if _URL else {}

EMAIL_BACKEND = _MAIL.get("EMAIL_BACKEND", "django.core.mail.backends.filebased.EmailBackend")
EMAIL_FILE_PATH = _MAIL.get("EMAIL_FILE_PATH") or VAR / "mail"
EMAIL_HOST = _MAIL.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _MAIL.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _MAIL.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _MAIL.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _MAIL.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _MAIL.get("EMAIL_USE_SSL", False)
# For each step of a delivery: a switch waits until whoever is inside the door has come out.
EMAIL_TIMEOUT = env.float("EMAIL_TIMEOUT", default=3.0)

NOTIFICATIONS = {
    "SENDER": env.str("NOTIFICATIONS_SENDER", default="shop@shop.invalid"),
    # What a mail's Message-ID ends with: the same, whoever sends it.
    "DOMAIN": env.str("NOTIFICATIONS_DOMAIN", default="shop.invalid"),
    # Seconds for which what is being sent is left to whoever has begun: longer than that takes.
    "LEASE": env.float("NOTIFICATIONS_LEASE", default=120.0),
}
