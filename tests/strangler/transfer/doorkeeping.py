"""A process of its own at a door: ``python doorkeeping.py WHAT KIND URL …``.

It says on its standard output what it has come to, one word a line, and ends when its standard
input does.
"""

from __future__ import annotations

import sys
import time

from strangler.ladder import Arm
from strangler.transfer.database import Database
from strangler.transfer.door import Door, DoorClosed

CAPABILITY = "catalog"


def database(kind: str, url: str) -> Database:
    if kind == "sqlite":
        from strangler.transfer.sqlite import SqliteDatabase

        return SqliteDatabase(url, capability=CAPABILITY, arm=Arm.MONOLITH, tables=())
    from strangler.transfer.postgres import PostgresDatabase

    return PostgresDatabase(url, capability=CAPABILITY, arm=Arm.MONOLITH, tables=())


def door(kind: str, url: str) -> Door:
    if kind == "sqlite":
        from strangler.transfer.sqlite import SqliteDoor

        return SqliteDoor(url, capability=CAPABILITY, arm=Arm.MONOLITH)
    from strangler.transfer.postgres import PostgresDoor

    return PostgresDoor(url, capability=CAPABILITY, arm=Arm.MONOLITH)


def hold(kind: str, url: str, seconds: str) -> None:
    """A command: comes in, and stays until it is told to go."""
    _say("ready")
    try:
        with door(kind, url).entered(deadline=time.monotonic() + float(seconds)) as owner:
            _say("inside" if owner else "open")
            sys.stdin.read()
    except DoorClosed:
        _say("closed")


def shut(kind: str, url: str, token: str) -> None:
    """A mover: closes the door, and keeps it so."""
    session = database(kind, url).session()
    session.seize(int(token))
    session.close_door(patience=5)
    _say("shut")
    sys.stdin.read()


def step(kind: str, url: str, token: str) -> None:
    """A mover: is told to go on when it is too late."""
    session = database(kind, url).session()
    session.seize(int(token))
    _say("ready")
    sys.stdin.read()
    try:
        with session.step(token=int(token), epoch=1) as one:
            one.record(owner=Arm.SERVICE, epoch=2, frozen=False)
    except Exception as error:  # noqa: BLE001 - its name is what is asked for
        _say(type(error).__name__)
    else:
        _say("done")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    {"hold": hold, "shut": shut, "step": step}[sys.argv[1]](*sys.argv[2:])
