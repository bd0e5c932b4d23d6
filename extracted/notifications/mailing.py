"""Sends a mail, by smtplib."""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

from extracted.notifications.failures import NeverSent, NotSent
from extracted.notifications.rendering import Mail

LOG: Final = "consolemail"
NOT_NOW: Final = "the mail server does not take it now"
REFUSED: Final = "the mail server does not take it for this address"
_PORTS: Final = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}
_log = logging.getLogger("extracted.notifications")


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, and how it is reached."""

    scheme: str
    host: str
    port: int
    user: str
    password: str


def server(url: str) -> Server | None:
    """The mail server at this URL; None for the log.

    Raises:
        ValueError: there can be none.
    """
    parts = urlsplit(url)
    if parts.scheme == LOG:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(
            "it names no mail server: write smtp://user:password@host:port, smtp+tls://…, "
            f"smtp+ssl://…, or {LOG}:// for the log"
        )
    return Server(
        parts.scheme,
        parts.hostname,
        parts.port or _PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


class Mailer:
    """Sends mails, each over a connection of its own.

    Args:
        url: see ``server``.
        timeout: seconds that one step may take.
        sender: whom they come from.
        domain: what their Message-ID ends with.
    """

    def __init__(self, url: str, *, timeout: float, sender: str, domain: str) -> None:
        """Nothing is connected yet.

        Raises:
            ValueError: the URL is none.
        """
        self._server = server(url)
        self._timeout = timeout
        self._sender = sender
        self._domain = domain

    def send(self, mail: Mail, *, to: str, message: UUID) -> None:
        """Send this mail; its ``Message-ID`` is the same however often that is tried.

        Raises:
            NotSent: the server can't be reached, or does not take it now.
            NeverSent: it never will.
        """
        try:
            prepared = self._prepared(mail, to=to, message=message)
            self._send(prepared, to)
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise _refused(code, said) from error
        except smtplib.SMTPResponseException as error:
            raise NotSent(NOT_NOW, _said(error.smtp_code, error.smtp_error)) from error
        except (smtplib.SMTPException, OSError) as error:
            raise NotSent(NOT_NOW, f"{type(error).__name__}: {error}") from error
        except ValueError as error:  # a header that can't be: no address of this world
            raise NeverSent(REFUSED, error) from error

    def _prepared(self, mail: Mail, *, to: str, message: UUID) -> EmailMessage:
        prepared = EmailMessage(policy=SMTP)
        prepared["Subject"] = mail.subject
        prepared["From"] = self._sender
        prepared["To"] = _address(to)
        prepared["Date"] = formatdate()
        prepared["Message-ID"] = f"<{message}@{self._domain}>"
        prepared["Auto-Submitted"] = "auto-generated"
        prepared.set_content(mail.text)
        return prepared

    def _send(self, prepared: EmailMessage, to: str) -> None:
        if self._server is None:
            _log.info("a mail that nobody gets:\n%s", prepared.as_string())
            return
        with _connected(self._server, self._timeout) as connection:
            if self._server.user:
                connection.login(self._server.user, self._server.password)
            connection.sendmail(self._sender, [_address(to)], prepared.as_bytes())


def _connected(known: Server, timeout: float) -> smtplib.SMTP:
    kinds: dict[str, Callable[[], smtplib.SMTP]] = {
        "smtp": lambda: smtplib.SMTP(known.host, known.port, timeout=timeout),
        "smtp+ssl": lambda: smtplib.SMTP_SSL(
            known.host, known.port, timeout=timeout, context=ssl.create_default_context()
        ),
    }
    connection = kinds.get(known.scheme, kinds["smtp"])()
    if known.scheme == "smtp+tls":
        try:
            connection.starttls(context=ssl.create_default_context())
        except BaseException:
            connection.close()
            raise
    return connection


def _address(written: str) -> str:
    """An address as a mail server takes it: its domain in ASCII.

    Raises:
        ValueError: it is none.
    """
    local, at, domain = written.rpartition("@")
    if not (local and at and domain) or any(one.isspace() or one in "<>," for one in written):
        raise ValueError(f"{written!r} is no address")
    return f"{local}@{domain.encode('idna').decode()}"


def _refused(code: int, said: bytes | str) -> NotSent:
    if code >= 500:
        return NeverSent(REFUSED, _said(code, said))
    return NotSent(NOT_NOW, _said(code, said))


def _said(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"the mail server says {code} {text}"
