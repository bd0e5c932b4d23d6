"""Sends a mail, by the mail server that Django knows."""

from __future__ import annotations

import smtplib
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage

from monolith.notifications.failures import NeverSent, NotSent
from monolith.notifications.rendering import Mail

NOT_NOW = "the mail server does not take it now"
REFUSED = "the mail server does not take it for this address"


def send(mail: Mail, *, to: str, message: UUID) -> None:
    """Send this mail; its ``Message-ID`` is the same however often that is tried.

    Raises:
        NotSent: the server can't be reached, or does not take it now.
        NeverSent: it never will.
    """
    told = settings.NOTIFICATIONS
    prepared = EmailMessage(
        mail.subject,
        mail.text,
        from_email=told["SENDER"],
        to=[to],
        headers={
            "Message-ID": f"<{message}@{told['DOMAIN']}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    try:
        prepared.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        raise _refused(code, said) from error
    except smtplib.SMTPResponseException as error:
        raise NotSent(NOT_NOW, _said(error.smtp_code, error.smtp_error)) from error
    except (smtplib.SMTPException, OSError) as error:
        raise NotSent(NOT_NOW, f"{type(error).__name__}: {error}") from error
    except ValueError as error:  # a header that can't be: no address of this world
        raise NeverSent(REFUSED, error) from error


def _refused(code: int, said: bytes | str) -> NotSent:
    if code >= 500:
        return NeverSent(REFUSED, _said(code, said))
    return NotSent(NOT_NOW, _said(code, said))


def _said(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"the mail server says {code} {text}"
