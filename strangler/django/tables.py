"""Which tables a capability has: those of the Django app that its context lives in."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.db.models import Model

from strangler.manifest import Capability


def app(capability: Capability) -> AppConfig | None:
    """The installed app that contains the capability's context; None if there is none."""
    return apps.get_containing_app_config(f"{capability.context}.")


def tables(capability: Capability) -> tuple[type[Model], ...]:
    """The models whose rows are the capability's, tables of many-to-many fields included.

    A model that Django does not manage counts too: its rows would have to move all the same.
    """
    config = app(capability)
    if config is None:
        return ()
    models = config.get_models(include_auto_created=True)
    return tuple(model for model in models if not model._meta.proxy)  # noqa: SLF001  # Django's documented name for it


def has_tables(capability: Capability) -> bool:
    """Whether rows have to move with the capability."""
    return bool(tables(capability))
