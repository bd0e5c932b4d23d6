"""The inventory service, put together."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI

from contracts.inventory import Inventory
from extracted.inventory import api, shown
from extracted.inventory.expiry import Timer
from extracted.inventory.migrating import SCHEMA
from extracted.inventory.service import InventoryService
from extracted.inventory.settings import DATABASE, InventorySettings
from strangler.fastapi.app import service
from strangler.fastapi.door import commanding
from strangler.fastapi.settings import ServiceSettings, environment
from strangler.sqlalchemy.database import Database


def create() -> FastAPI:
    """The app, as the environment wants it.

    Raises:
        NoDatabase: the database's URL is none.
        BadEnvironment, ManifestErrors, NotInManifest, KeysUnusable: what every service needs is
            not there.
    """
    common, own = environment(ServiceSettings), environment(InventorySettings)
    connections = common.threads + 2  # the timer's, and readiness
    database = Database(own.database_url, named=DATABASE, connections=connections)
    inventory = InventoryService(database)
    timer = Timer(database, every=own.expiry, commanding=partial(commanding, "inventory"))
    app = service(
        Inventory,
        inventory,
        routers=[api.router(inventory, database)],
        checks={"database": SCHEMA.check(database)},
        during=[database, timer],
        settings=common,
        database=own.database_url,
        rehearsal=partial(database.rehearsal, "inventory"),
    )
    shown.exact(app.openapi())
    return app
