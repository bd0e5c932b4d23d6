"""Settings of a project with sessions, its own idea of a URL, and the kit's middleware."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(os.environ.get("SKY_ROOT", "/nonexistent"))

SECRET_KEY = "of-no-use-to-anybody"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
DEBUG = False
USE_TZ = True
ROOT_URLCONF = "tests.assets.sky.urls"
WSGI_APPLICATION = "tests.assets.sky.wsgi.application"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "strangler.django",
    "tests.assets.sky",
]
MIDDLEWARE = [
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "strangler.django.middleware.EdgeMiddleware",
]
if os.environ.get("SKY_PLAIN"):
    MIDDLEWARE.pop()
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(ROOT / "sky.sqlite3")}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STRANGLER = {
    "MANIFEST": ROOT / "capabilities.toml",
    "TABLE": ROOT / "table",
    "KEYS": ROOT / "keys",
}
