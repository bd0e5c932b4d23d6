"""What a customer reads, and what their program does: plain Python, and files of plain text.

The first line of a text is the mail's subject. ``$name`` and the like stand for what is said of the
order; what these are called is in ``FIELDS``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from string import Template
from typing import Any
from uuid import UUID

from contracts.notifications import Kind

TEXTS = Path(__file__).with_name("texts")
ALWAYS = frozenset({"name", "order"})
FIELDS: Mapping[Kind, frozenset[str]] = {
    Kind.ORDER_CONFIRMED: ALWAYS | {"lines", "total", "currency"},
    Kind.ORDER_CANCELLED: ALWAYS,
    Kind.SHIPMENT_SENT: ALWAYS | {"carrier", "tracking"},
    Kind.SHIPMENT_DELIVERED: ALWAYS,
}
"""What a text of each kind may speak of."""
SUBJECT = "Subject: "


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, but for who gets it."""

    subject: str
    text: str


class BadText(ValueError):
    """A text can't be used; the message says where, and what to write instead."""


def mail(kind: Kind, *, name: str, order: UUID, data: Mapping[str, Any]) -> Mail:
    """The mail of this kind."""
    said = {"name": name, "order": str(order), **{key: _text(data[key]) for key in data}}
    subject, text = templates(kind)
    return Mail(" ".join(subject.substitute(said).split()), text.substitute(said))


def body(kind: Kind, *, order: UUID, customer: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    """What a webhook is sent: the same bytes each time."""
    said = {"order": str(order), "customer": customer, **data}
    return json.dumps(
        {"type": kind.value, "timestamp": at.isoformat(), "data": said}, ensure_ascii=False
    ).encode()


@cache
def templates(kind: Kind) -> tuple[Template, Template]:
    """The subject and the text of a kind.

    Raises:
        BadText: there is none, or it speaks of what nobody knows.
    """
    file = TEXTS / f"{kind}.txt"
    try:
        written = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadText(f"{file}: {error}") from error
    first, _, rest = written.partition("\n\n")
    if not first.startswith(SUBJECT) or "\n" in first or not rest.strip():
        raise BadText(f"{file}: write a line `{SUBJECT}…`, an empty line, and then the text")
    both = Template(first.removeprefix(SUBJECT)), Template(rest)
    for template in both:
        if not template.is_valid():
            raise BadText(f"{file}: write $$ for a dollar, and $name for a field")
        for field in template.get_identifiers():
            if field not in FIELDS[kind]:
                known = ", ".join(sorted(FIELDS[kind]))
                raise BadText(f"{file}: ${field} is nothing; there are {known}")
    return both


def _text(value: Any) -> str:
    """A field as it is read: the lines of an order as lines."""
    if isinstance(value, list):
        return "\n".join(f"  {line['quantity']} × {line['sku']}" for line in value)
    return str(value)
