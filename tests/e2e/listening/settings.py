"""The shop's settings, with a witness in the monolith's consumer, and a short lease."""

# ruff: noqa: F403 - settings are built on settings

from __future__ import annotations

from monolith.config.settings import *
from monolith.config.settings import INSTALLED_APPS as SHOP

INSTALLED_APPS = [*SHOP, "tests.e2e.listening.monolith.WitnessConfig"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
