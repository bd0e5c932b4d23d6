"""The catalog service, put together."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI

from contracts.catalog import Catalog
from extracted.catalog import api
from extracted.catalog.migrating import SCHEMA
from extracted.catalog.service import CatalogService
from extracted.catalog.settings import DATABASE, CatalogSettings
from strangler.fastapi.app import service
from strangler.fastapi.settings import ServiceSettings, environment
from strangler.sqlalchemy.database import Database


def create() -> FastAPI:
    """The app, as the environment wants it.

    Raises:
        NoDatabase: ``CATALOG_DATABASE_URL`` names none.
        BadEnvironment, ManifestErrors, NotInManifest, KeysUnusable: what every service needs is
            not there.
    """
    settings, own = environment(ServiceSettings), environment(CatalogSettings)
    database = Database(
        own.database_url, named=DATABASE, connections=settings.threads + 1
    )  # readiness
    catalog = CatalogService(database)
    return service(
        Catalog,
        catalog,
        routers=[api.router(catalog)],
        checks={"database": SCHEMA.check(database)},
        during=[database],
        settings=settings,
        database=own.database_url,
        rehearsal=partial(database.rehearsal, "catalog"),
    )
