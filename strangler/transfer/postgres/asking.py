"""Whether all that the other side has committed has come: the question, and the mover's answer."""

from __future__ import annotations

import psycopg

from strangler.transfer.errors import Unfit
from strangler.transfer.postgres.link import Connection, Link

_ASKED = "SELECT number FROM strangler_asked WHERE capability = %s"
_ANSWERED = "SELECT answered FROM strangler_asked WHERE capability = %s"
_ANSWER = (
    "UPDATE strangler_asked a SET answered = %(number)s FROM strangler_owner o"
    " WHERE o.capability = a.capability AND a.capability = %(capability)s"
    " AND a.answered < %(number)s AND o.token = %(token)s AND o.epoch = %(epoch)s"
)


def ask(connection: Connection, capability: str) -> int:
    """The number of a new question.

    Raises:
        Unfit: nothing is installed.
    """
    row = connection.execute("SELECT strangler_ask(%s)", [capability]).fetchone()
    if row is None or row[0] is None:
        raise Unfit([f"{capability} is not installed here"])
    return int(row[0])


def answered(connection: Connection, capability: str) -> int:
    """The last question that was answered; 0 for none."""
    return _read(connection, _ANSWERED, capability)


def asked(link: Link) -> int:
    """The last question; 0 for none."""
    return _read(link.connection, _ASKED, link.capability)


def answer(link: Link, number: int, *, token: int, epoch: int) -> None:
    """This one is answered, and all before it."""
    given = {"number": number, "capability": link.capability, "token": token, "epoch": epoch}
    link.connection.execute(_ANSWER, given)


def _read(connection: Connection, query: str, capability: str) -> int:
    try:
        row = connection.execute(query, [capability]).fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return 0 if row is None else int(row[0])
