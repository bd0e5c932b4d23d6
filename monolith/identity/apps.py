"""The identity context as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """Users, roles, tokens."""

    name = "monolith.identity"
