"""Whether what the manifest lets a capability subscribe to is what its context handles."""

from __future__ import annotations

from collections.abc import Iterator

from django.core import checks

from strangler.django import conf, tables
from strangler.django.events import consuming
from strangler.events.declare import BadEvent
from strangler.events.subscribe import BadHandler, NoConsumer
from strangler.manifest import Capability, ManifestErrors

ID = "strangler.E007"


def listening() -> Iterator[checks.CheckMessage]:
    """Everything in which manifest and contexts differ; see ``strangler.django.checks``."""
    try:
        capabilities = conf.manifest().capabilities.values()
    except ManifestErrors:
        return  # Another check says so.
    for capability in capabilities:
        if tables.app(capability) is not None:
            yield from _listening(capability)


def _listening(capability: Capability) -> Iterator[checks.CheckMessage]:
    where = f"{capability.context}.handlers"
    try:
        found = consuming.handlers(capability)
    except (BadHandler, BadEvent) as error:
        yield checks.Error(f"{where}: {error}", id=ID)
        return
    if found is not None and found.consumer != capability.name:
        yield checks.Error(
            f"{where} has the handlers of {found.consumer!r}, and is {capability.name}'s",
            hint=f'Write handlers = Handlers("{capability.name}").',
            id=ID,
        )
    told = set(capability.subscribes)
    handled = set(found.types) if found is not None else set()
    for kind in sorted(told - handled):
        yield checks.Error(
            f"{capability.name} subscribes to {kind}, and {where} does not handle it",
            hint="Write a handler for the event that its contract declares; or leave it out of "
            f"capability.{capability.name}.subscribes.",
            id=ID,
        )
    for kind in sorted(handled - told):
        yield checks.Error(
            f"{where} handles {kind}, and the manifest does not say so: nobody would be told",
            hint=f"Add it to capability.{capability.name}.subscribes.",
            id=ID,
        )
    if told and not told - handled:
        try:
            consuming.consumer(capability.name)
        except NoConsumer as error:
            yield checks.Error(str(error), id=ID)
