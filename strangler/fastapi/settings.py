"""What every service reads from its environment, such as ``STRANGLER_MANIFEST``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """The environment of a service.

    Attributes:
        manifest: the manifest that the whole system shares.
        keys: the folder with this party's private key and everybody's public ones.
        table: the routing table beside this service; without one, the monolith places its calls.
        build: what is deployed here, such as an image's tag; what was found out about one build
            says nothing of another.
        threads: how many calls run at once; the others wait for a thread.
        drain: seconds from SIGTERM to the end of the readiness, for the edge to notice.
        log_level: the least severe level that is logged.
    """

    model_config = SettingsConfigDict(env_prefix="STRANGLER_", env_ignore_empty=True)

    manifest: Path = Path("router/capabilities.toml")
    keys: Path = Path("var/keys")
    table: Path | None = None
    build: str = "unknown"
    threads: int = 20
    drain: float = 0.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
