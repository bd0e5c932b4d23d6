"""The databases that speak: the project's own, and those of services that are named here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial

from django.db import connections, router

from strangler.django import conf
from strangler.django.events import consuming
from strangler.django.events.models import Outbox
from strangler.django.transfer.places import django_url, service_variable
from strangler.events.aside import ConsumerPlace, InboxPlace, OutboxPlace, OwnersPlace, Place
from strangler.events.buses.push import Target
from strangler.events.elsewhere import ServicePlace
from strangler.events.relaying import Relaying
from strangler.events.stores.connect import connect, speaks
from strangler.ports.trust.keys import Keyring


def own() -> Mapping[str, str]:
    """The URLs of the project's databases that have an outbox, by alias.

    Raises:
        Unfit: one of them is neither PostgreSQL nor SQLite.
    """
    return {
        alias: django_url(alias)
        for alias in connections
        if router.allow_migrate_model(alias, Outbox)
    }


def databases() -> Mapping[str, str]:
    """The same, and the services' whose URL the environment has, by capability.

    One whose database has no outbox says nothing, and is left out.
    """
    return {**own(), **{name: url for name, url in _services().items() if speaks(url)}}


def _services() -> Mapping[str, str]:
    found = {
        name: os.environ.get(service_variable(name), "") for name in conf.manifest().capabilities
    }
    return {name: url for name, url in found.items() if url}


def places() -> list[Place]:
    """Wherever events may be set aside.

    Raises:
        NoConsumer: a consumer of the manifest can't listen.
    """
    outboxes: list[Place] = [
        OutboxPlace(f"outbox of {name}", partial(connect, url)) for name, url in databases().items()
    ]
    return [*outboxes, *consumers()]


def consumers() -> list[ConsumerPlace]:
    """Where events may be set aside by those who listen: there, where the rows are owned.

    Raises:
        NoConsumer: a consumer of the manifest can't listen.
    """
    here = consuming.consumers()
    found: list[ConsumerPlace] = []
    for name, capability in conf.manifest().capabilities.items():
        if capability.subscribes:
            service = ServicePlace(name, Target(capability.service, name), _keyring)
            local = here.get(name)
            found.append(OwnersPlace(InboxPlace(local), service) if local else service)
    return found


def relaying() -> list[Relaying]:
    """What carries the events of the project's own databases, and of services'; nothing runs yet.

    Of services', so that their rows can change owner when their processes are gone. One that has no
    outbox is looked at again and again: it may be migrated later.

    Raises:
        KeysUnusable: the http bus needs this party's key, and it is not there.
    """
    settings, manifest = conf.settings(), conf.manifest()
    found = set(databases().values())
    every = [*own().values(), *_services().values()]
    keyring = _keyring() if manifest.events.pushed else None
    return [
        Relaying(
            url,
            bus=manifest.events.bus,
            manifest=manifest,
            keyring=keyring,
            table=settings.table,
            limit=settings.outbox,
            patient=url not in found,
        )
        for url in every
    ]


def _keyring() -> Keyring:
    settings = conf.settings()
    return Keyring.load(settings.keys, settings.party)
