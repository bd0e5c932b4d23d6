"""Read your writes: whoever has commanded a capability is answered by its owner for a while.

Where the monolith owns, the cookie says which rows: up to where its journal had come when the
answer went out. Once nothing up to there is left in it, the service has them all. Where the service
owns, its journal is not ours to ask: the cookie only says that there may be some, and before the
monolith answers in the service's place, the mover has to say that they have come.

A client that brings no cookie of ours could not say what it has commanded. It is taken for one that
has: it stays with the owner, and waits for the mover.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import cache

from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponseBase
from django.http.cookie import parse_cookie

from strangler.django import conf, tables
from strangler.django.doors import known
from strangler.django.edge import identity
from strangler.django.ports import placing
from strangler.ladder import Arm, Stage
from strangler.ports.context import Context
from strangler.transfer.errors import TransferError

COOKIE = "strangler_pin"
"""The edge's own cookie: ``capability:position``, with ``|`` between several; ``-`` for none.

``*`` stands for a position that could not be asked for, by an edge in front of us, or because the
journal is the service's: wherever it is by now.
"""
_KEPT = 24 * 3600
_ONE = re.compile(r"([a-z][a-z0-9_-]*):([0-9]{1,18})")
_NOTED = re.compile(r"([a-z][a-z0-9_-]*):\*")
_UNKNOWN = -1

_log = logging.getLogger("strangler.edge")


class Pins(set[str]):
    """The capabilities whose queries go to the owner.

    Attributes:
        commanded: those that have been commanded within this request.
        stranger: the client brings no cookie of ours.
        positions: what the client's cookie says of those whose rows have not all moved yet.
        said: all that its cookie says.
    """

    def __init__(
        self,
        names: Iterable[str] = (),
        *,
        stranger: bool = False,
        positions: dict[str, int] | None = None,
        said: dict[str, int] | None = None,
    ) -> None:
        super().__init__(names)
        self.commanded: set[str] = set()
        self.stranger = stranger
        self.positions = positions or {}
        self.said = said or {}

    def add(self, name: str) -> None:
        """Somebody has commanded this."""
        self.commanded.add(name)
        super().add(name)

    def arrived(self, name: str) -> None:
        """All that the client has commanded of this is on our side."""
        self.positions.pop(name, None)
        self.discard(name)


def of(request: HttpRequest) -> Pins:
    """What the client has commanded of late that has not yet moved over."""
    header = request.META.get("HTTP_COOKIE")
    if not header or (COOKIE not in header and identity.COOKIE not in header):
        return Pins(_with_tables(), stranger=True)
    if COOKIE not in header:
        return Pins()
    said = parse_cookie(header).get(COOKIE, "")
    positions = {name: int(number) for name, number in _ONE.findall(said)}
    noted = dict.fromkeys(_NOTED.findall(said), _UNKNOWN)
    now = {name: number for name in noted if (number := _position(name)) is not None}
    left = {
        name: number for name, number in (positions | now).items() if not _applied(name, number)
    }
    return Pins(left, positions=left, said=positions | noted)


def give(response: HttpResponseBase, pins: Pins, *, secure: bool) -> None:
    """Set the cookie, where something was commanded whose rows have to move, or have moved."""
    new = {name: number for name in pins.commanded if (number := _position(name)) is not None}
    positions = pins.positions | new
    if new or positions != pins.said:
        _set(response, "|".join(map(_written, sorted(positions.items()))) or "-", secure=secure)


def mark(response: HttpResponseBase, *, secure: bool) -> None:
    """Find out whether the client keeps cookies."""
    _set(response, "-", secure=secure)


def behind(request: HttpRequest, context: Context, name: str) -> bool:
    """May the client have commanded what the service has, and the monolith not yet?"""
    entry = placing.entry(name)
    if entry is not None and entry.stage is Stage.LIVE:
        return name in context.pins
    # Who was carried there by a switch may bring what this revision does not know of yet.
    if COOKIE not in request.META.get("HTTP_COOKIE", ""):
        return False
    pins = context.pins
    return isinstance(pins, Pins) and pins.positions.get(name) == _UNKNOWN


def _written(pin: tuple[str, int]) -> str:
    name, number = pin
    return f"{name}:{'*' if number == _UNKNOWN else number}"


def _set(response: HttpResponseBase, text: str, *, secure: bool) -> None:
    response.set_cookie(COOKIE, text, max_age=_KEPT, httponly=True, samesite="Lax", secure=secure)


def _position(name: str) -> int | None:
    """Where our journal is now; None where no rows flow, ``_UNKNOWN`` where the service owns them.

    That this side owns is what the owner row says, and not the table: a command that was carried
    here by a switch is answered under the revision with which its request began. Where the table
    says that the service does, it is not asked: if that is wrong, the next request finds out.
    """
    door, entry = known.door(name), placing.entry(name)
    if door is None or (entry is not None and entry.stage is Stage.RETIRED):
        return None
    if entry is not None and entry.stage is Stage.LIVE:
        return _UNKNOWN
    try:
        row = door.owner()
        if row is None:
            return None
        return door.position() if row.owner is Arm.MONOLITH else _UNKNOWN
    except TransferError as error:
        _log.error("%s: where its journal is can't be said: %s", name, error)
        return _UNKNOWN


def _applied(name: str, position: int) -> bool:
    if position == _UNKNOWN:
        return False
    if name not in conf.manifest().capabilities:
        return True
    door = known.door(name)
    try:
        return door is None or door.applied(position)
    except TransferError as error:
        _log.error("%s: whether its rows have moved can't be said: %s", name, error)
        return False


@cache
def _with_tables() -> frozenset[str]:
    capabilities = conf.manifest().capabilities.values()
    return frozenset(one.name for one in capabilities if tables.has_tables(one))


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"STRANGLER", "INSTALLED_APPS"}:
        _with_tables.cache_clear()


setting_changed.connect(_forget)
