"""Starting Django from outside ``manage.py``."""

from __future__ import annotations

import os

import django
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

__all__ = ["NOT_WIRED", "ImproperlyConfigured", "boot"]

NOT_WIRED = "strangler is not wired: %s"
"""What is logged where settings or manifest are no use."""


def boot(settings: str | None) -> None:
    """Set Django up with this settings module, unless it is set up already.

    Raises:
        ImportError: there is no such module, or it can't be imported.
        ImproperlyConfigured: it is no use.
    """
    if apps.ready:
        return
    if settings is not None:
        os.environ["DJANGO_SETTINGS_MODULE"] = settings
    django.setup()
