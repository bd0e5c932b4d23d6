"""What the notifications service reads from its environment, beside what every service reads."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from extracted.notifications.mailing import server

DATABASE: Final = "NOTIFICATIONS_DATABASE_URL"


def _known(url: str) -> str:
    server(url)
    return url


class NotificationsSettings(BaseSettings):
    """The environment of this service.

    Attributes:
        database_url: ``postgresql://user:password@host:5432/name`` or ``sqlite:///path/to/file``.
        delivery: seconds between two looks for what is to be sent.
        lease: seconds for which what is being sent is left to whoever has begun: longer than that
            takes.
        email_url: the mail server: ``smtp://user:password@host:port``, ``smtp+tls://…`` or
            ``smtp+ssl://…``; with ``consolemail://`` no customer gets any mail, and it stands in
            the log.
        email_timeout: seconds that one step of sending a mail may take: a switch waits for it.
        sender: whom mails come from.
        domain: what a mail's Message-ID ends with: the same as the monolith's.
    """

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_", env_ignore_empty=True)

    database_url: str = "sqlite:///var/notifications.sqlite3"
    delivery: Annotated[float, Field(gt=0, le=3600)] = 1.0
    lease: Annotated[float, Field(gt=0, le=3600)] = 120.0
    email_url: Annotated[str, AfterValidator(_known)] = "consolemail://"
    email_timeout: Annotated[float, Field(gt=0, le=60)] = 3.0
    sender: str = "shop@shop.invalid"
    domain: str = "shop.invalid"
