"""Read your writes: whoever has commanded a capability is answered by its owner for a while.

The cookie says which rows: up to where the owner's journal had come when the answer went out. Once
nothing up to there is left in it, the other side has them all. A client that brings no cookie of
ours could not say so, and stays with the owner.
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
from strangler.ladder import Arm
from strangler.transfer.database import TransferError

COOKIE = "strangler_pin"
"""The edge's own cookie: ``capability:position``, with ``|`` between several; ``-`` for none.

An edge in front that can't ask a journal writes ``?`` for a position: wherever it is by now.
"""
_KEPT = 24 * 3600
_ONE = re.compile(r"([a-z][a-z0-9_-]*):([0-9]{1,18})")
_NOTED = re.compile(r"([a-z][a-z0-9_-]*):\?")
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
    positions = dict(pins.positions)
    for name in pins.commanded:
        if (number := _position(name)) is not None:
            positions[name] = number
    if positions != pins.said:
        text = "|".join(f"{name}:{number}" for name, number in sorted(positions.items())) or "-"
        _set(response, text, secure=secure)


def mark(response: HttpResponseBase, *, secure: bool) -> None:
    """Find out whether the client keeps cookies."""
    _set(response, "-", secure=secure)


def _set(response: HttpResponseBase, text: str, *, secure: bool) -> None:
    response.set_cookie(COOKIE, text, max_age=_KEPT, httponly=True, samesite="Lax", secure=secure)


def _position(name: str) -> int | None:
    """Where the journal is now; None where no rows flow to the service.

    That this side owns is what the owner row says, and not the table: a command that was carried
    here by a switch is answered under the revision with which its request began.
    """
    door = known.door(name)
    try:
        row = door.owner() if door is not None else None
        if door is None or row is None or row.owner is not Arm.MONOLITH:
            return None
        return door.position()
    except TransferError as error:
        _log.error("%s: where its journal is can't be said, so nobody is pinned: %s", name, error)
        return None


def _applied(name: str, position: int) -> bool:
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
