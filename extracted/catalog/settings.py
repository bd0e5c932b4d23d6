"""What the catalog service reads from its environment, beside what every service reads."""

from __future__ import annotations

from typing import Final

from pydantic_settings import BaseSettings, SettingsConfigDict

DATABASE: Final = "CATALOG_DATABASE_URL"


class CatalogSettings(BaseSettings):
    """``CATALOG_DATABASE_URL`` says where the tables are: on PostgreSQL, or in a file of SQLite."""

    model_config = SettingsConfigDict(env_prefix="CATALOG_", env_ignore_empty=True)

    database_url: str = "sqlite:///var/catalog.sqlite3"
