"""The notifications service, put together."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from fastapi import FastAPI

from contracts.notifications import Notifications
from extracted.notifications import api
from extracted.notifications.delivering import Deliverer
from extracted.notifications.handlers import handling
from extracted.notifications.mailing import Mailer
from extracted.notifications.migrating import SCHEMA
from extracted.notifications.models import Inbox, ParkedEvent
from extracted.notifications.service import NotificationsService
from extracted.notifications.settings import DATABASE, NotificationsSettings
from extracted.notifications.telling import telling
from extracted.notifications.timer import Timer
from strangler.fastapi.app import service
from strangler.fastapi.door import commanding
from strangler.fastapi.settings import ServiceSettings, environment
from strangler.sqlalchemy.database import Database
from strangler.sqlalchemy.events.ledger import consumer


def create() -> FastAPI:
    """The app, as the environment wants it.

    Raises:
        NoDatabase: the database's URL is none.
        BadEnvironment, ManifestErrors, NotInManifest, WrongHandlers, KeysUnusable: what every
            service needs is not there.
    """
    common, own = environment(ServiceSettings), environment(NotificationsSettings)
    connections = common.threads + 4  # the timer's, the consumer's two, and readiness
    database = Database(own.database_url, named=DATABASE, connections=connections)
    mailer = Mailer(own.email_url, timeout=own.email_timeout, sender=own.sender, domain=own.domain)
    timer = Timer(
        Deliverer(database, mailer, lease=timedelta(seconds=own.lease)).deliver_next,
        every=own.delivery,
        commanding=partial(commanding, "notifications"),
    )
    return service(
        Notifications,
        NotificationsService(database),
        routers=[api.router(database)],
        checks={"database": SCHEMA.check(database)},
        during=[database, timer],
        settings=common,
        database=own.database_url,
        consumer=consumer(handling(telling(database)), database, Inbox, ParkedEvent),
    )
