"""Secrets, hosts, cookies, and what a browser is told."""

from __future__ import annotations

from monolith.config.settings.env import DEBUG, VAR, env, kept_secret, required

SECRET_KEY = required("SECRET_KEY", "50 random characters or more, the same in every process")
if DEBUG and not SECRET_KEY:
    SECRET_KEY = kept_secret(VAR / "secret_key")

ALLOWED_HOSTS = [
    host.strip()
    for host in required(
        "ALLOWED_HOSTS",
        "the host names that clients and services use, separated by commas",
        development="localhost,127.0.0.1,[::1]",
    ).split(",")
    if host.strip()
]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

PROXIES = env.int("PROXIES", default=0)
"""How many proxies stand in front whose X-Forwarded headers may be believed."""
if PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

HTTPS = env.bool("HTTPS", default=not DEBUG)
"""Whether clients come by HTTPS. Only a production system on a private network says no."""
SECURE_SSL_REDIRECT = HTTPS
# Probes and ports are called from inside, by name and over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^_strangler/"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
