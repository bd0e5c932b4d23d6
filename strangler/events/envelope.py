"""An event as it travels: CloudEvents 1.0 (https://github.com/cloudevents/spec), as JSON.

Beside what every CloudEvent has: ``partitionkey`` (the extension of that name) is the aggregate,
``sequence`` (likewise) its version, padded with zeros so that text sorts like numbers,
``traceparent`` (distributed tracing) the span that said it. ``dataschema`` ends with the schema.
"""

from __future__ import annotations

import functools
import os
import time as clock
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID
from zlib import crc32

import msgspec

from strangler.events.declare import Declared, UnknownEvent, declared, find
from strangler.ports.strict import Unfit, check

PARTITIONS: Final = 16
"""Into so many parts a bus divides what a capability says; each is in order."""
BATCH: Final = "application/cloudevents-batch+json"
_DIGITS = 20
_SCHEMA = "urn:strangler:event:"
_VERSION_7 = 0x7 << 76 | 0b10 << 62
_RANDOM = ~(0xF << 76 | 0b11 << 62)


class Unreadable(ValueError):
    """Something came that is no CloudEvent, or not with the data that its type has."""


class Newer(Exception):
    """It was said in a schema that nobody here knows yet, and may mean something else in it."""


class Unwritable(TypeError):
    """An event holds what does not fit on a wire."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=False):
    """One event; the fields are CloudEvents' attributes. ``data`` is JSON."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    dataschema: str
    partitionkey: str
    sequence: str
    data: msgspec.Raw
    specversion: str = "1.0"
    datacontenttype: str = "application/json"
    traceparent: str | msgspec.UnsetType = msgspec.UNSET

    @property
    def capability(self) -> str:
        """Who says it, which is also the topic that it is carried under."""
        return self.type.partition(".")[0]

    @property
    def aggregate(self) -> str:
        """The kind of what it is about, such as ``catalog.product``; ``subject`` says which."""
        return self.type.rpartition(".")[0]

    @property
    def version(self) -> int:
        """How many events of this aggregate there have been, with this one."""
        return int(self.sequence)

    @property
    def schema(self) -> int:
        """Of its data."""
        return int(self.dataschema.rpartition(":")[2])

    @property
    def partition(self) -> int:
        """In which part of its topic it travels."""
        return partition(self.partitionkey)


def partition(key: str) -> int:
    """The partition of an aggregate, from 0, by its partition key."""
    return crc32(key.encode()) % PARTITIONS


def envelope(
    *,
    id: str,  # noqa: A002 -- CloudEvents' word
    type: str,  # noqa: A002 -- likewise
    key: str,
    version: int,
    schema: int,
    at: datetime | str,
    payload: bytes,
    trace: str | None,
) -> Envelope:
    """An event as an outbox holds it, ready to travel; ``at`` may be written down already."""
    source, dataschema, aggregate = _heading(type, schema)
    return Envelope(
        id=id,
        source=source,
        type=type,
        subject=key,
        time=at if isinstance(at, str) else at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        dataschema=dataschema,
        partitionkey=aggregate + key,
        sequence=f"{version:0{_DIGITS}}",
        data=msgspec.Raw(payload),
        traceparent=trace or msgspec.UNSET,
    )


@functools.lru_cache(1024)
def _heading(type: str, schema: int) -> tuple[str, str, str]:  # noqa: A002 -- CloudEvents' word
    """What all events of a type have in common: source, data schema, and how a key begins."""
    capability, aggregate = type.partition(".")[0], type.rpartition(".")[0]
    return f"/{capability}", f"{_SCHEMA}{type}:{schema}", f"{aggregate}/"


def identifier() -> UUID:
    """A new event's id: a UUID of version 7 (RFC 9562), so that later ones sort later."""
    random = int.from_bytes(os.urandom(10), "big")
    return UUID(int=clock.time_ns() // 1_000_000 << 80 | random & _RANDOM | _VERSION_7)


def payload(said: object) -> bytes:
    """The data of an event, as JSON.

    Raises:
        UnknownEvent: it is none.
        Unwritable: a value does not fit on a wire.
    """
    kind = declared(type(said))
    try:
        _check(kind.record)(said)
        return _encode(said)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Unwritable(f"{kind.name}: {error}") from error


def newer(found: Envelope) -> bool:
    """Was it said in a newer schema than what is known here of its type?"""
    try:
        return found.schema > find(found.type).schema
    except (ValueError, UnknownEvent):
        return False


def opened(found: Envelope) -> Any:
    """The event that an envelope holds, of whatever schema it was said in.

    Raises:
        UnknownEvent: no contract that was imported here declares it.
        Newer: that is an older one than it was said in.
        Unreadable: its data are not what its type has.
    """
    kind = find(found.type)
    if newer(found):
        raise Newer(
            f"{found.type} {found.id}: {found.dataschema[:200]} is newer than {kind.schema}"
        )
    try:
        schema = found.schema
        if schema == kind.schema:  # it may have gained fields
            said = _decoder(kind.record)(found.data)
        else:
            said = _raised(kind, found, schema)
        _check(kind.record)(said)
    except (ValueError, KeyError, TypeError, RecursionError, Unfit) as error:
        raise Unreadable(f"{found.type} {found.id}: {error}") from error
    return said


def _raised(kind: Declared, found: Envelope, schema: int) -> Any:
    data = kind.brought_up(msgspec.json.decode(found.data), schema)
    return msgspec.convert(data, kind.record, builtin_types=())


def encode(found: Envelope) -> bytes:
    """As JSON."""
    return _encode(found)


def decode(body: bytes | str) -> Envelope:
    """From JSON.

    Raises:
        Unreadable: it is no CloudEvent of ours.
    """
    try:
        return _read(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Unreadable(f"no event: {error}") from error


def encode_batch(found: list[Envelope]) -> bytes:
    """Several, as one body of ``application/cloudevents-batch+json``."""
    return _encode(found)


def decode_batch(body: bytes) -> list[Envelope]:
    """Several, from such a body.

    Raises:
        Unreadable: one of them is no CloudEvent of ours, and none is taken.
    """
    try:
        return _read_batch(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Unreadable(f"no batch of events: {error}") from error


_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(Envelope).decode
_read_batch = msgspec.json.Decoder(list[Envelope]).decode


@functools.cache
def _decoder(record: type) -> Callable[[Any], Any]:
    return msgspec.json.Decoder(record).decode


@functools.cache
def _check(record: type) -> Callable[[Any], None]:
    return check(record)
