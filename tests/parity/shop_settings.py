"""The shop's own settings, but for passwords that hash fast."""

from monolith.config.settings import *  # noqa: F403 - a settings module is one namespace

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
