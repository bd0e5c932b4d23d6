"""What every service reads from its environment, such as ``STRANGLER_MANIFEST``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

S = TypeVar("S", bound=BaseSettings)


class BadEnvironment(ValueError):
    """Variables of the environment hold what they can't; the message has a line for each."""


def environment(settings: type[S]) -> S:
    """What the environment says.

    Raises:
        BadEnvironment: with everything that is wrong.
    """
    try:
        return settings()
    except ValidationError as error:
        prefix = settings.model_config.get("env_prefix", "")
        lines = [
            f"{prefix}{'_'.join(map(str, found['loc'])).upper()}={found['input']}: {found['msg']}"
            for found in error.errors()
        ]
        raise BadEnvironment("\n".join(lines)) from error


class ServiceSettings(BaseSettings):
    """The environment of a service.

    Attributes:
        manifest: the manifest that the whole system shares.
        keys: the folder with this party's private key and everybody's public ones.
        table: the routing table beside this service; without one, the monolith places its calls.
        build: what is deployed here, such as an image's tag; what was found out about one build
            says nothing of another.
        threads: how many calls run at once.
        waiting: how many more may wait for a thread; the next one is refused at once.
        drain: seconds from SIGTERM to the closing of the listener, in which the service is not
            ready but still serves, so that whoever sends traffic can notice.
        log_level: the least severe level that is logged; access lines are INFO.
    """

    model_config = SettingsConfigDict(env_prefix="STRANGLER_", env_ignore_empty=True)

    manifest: Path = Path("router/capabilities.toml")
    keys: Path = Path("var/keys")
    table: Path | None = None
    build: str = "unknown"
    threads: Annotated[int, Field(ge=1, le=1000)] = 20
    waiting: Annotated[int, Field(ge=0, le=100_000)] = 40
    drain: Annotated[float, Field(ge=0, le=600)] = 0.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
