"""What the inventory service reads from its environment, beside what every service reads."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

DATABASE: Final = "INVENTORY_DATABASE_URL"


class InventorySettings(BaseSettings):
    """The environment of this service.

    Attributes:
        database_url: ``postgresql://user:password@host:5432/name`` or ``sqlite:///path/to/file``.
        expiry: seconds between two looks for what is held beyond its time.
    """

    model_config = SettingsConfigDict(env_prefix="INVENTORY_", env_ignore_empty=True)

    database_url: str = "sqlite:///var/inventory.sqlite3"
    expiry: Annotated[float, Field(gt=0, le=3600)] = 30.0
