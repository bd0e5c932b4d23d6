"""Whether all that the other side has committed has come: the question, and the mover's answer."""

from __future__ import annotations

from strangler.transfer.errors import Unfit
from strangler.transfer.sqlite.link import Link

_ASK = (
    "INSERT INTO strangler_asked (capability, number) VALUES (?, 1) "
    "ON CONFLICT (capability) DO UPDATE SET number = number + 1 RETURNING number"
)
_ASKED = "SELECT number FROM strangler_asked WHERE capability = ?"
_ANSWERED = "SELECT answered FROM strangler_asked WHERE capability = ?"
_ANSWER = (
    "UPDATE strangler_asked SET answered = ? WHERE capability = ? AND answered < ? AND EXISTS "
    "(SELECT 1 FROM strangler_owner o WHERE o.capability = strangler_asked.capability "
    "AND o.token = ? AND o.epoch = ?)"
)


def ask(link: Link, capability: str) -> int:
    """The number of a new question."""
    return int(link.one(_ASK, (capability,))[0])


def answered(link: Link, capability: str) -> int:
    """The last question that was answered; 0 for none."""
    return _read(link, _ANSWERED, capability)


def asked(link: Link, capability: str) -> int:
    """The last question; 0 for none."""
    return _read(link, _ASKED, capability)


def answer(link: Link, capability: str, number: int, *, token: int, epoch: int) -> None:
    """This one is answered, and all before it."""
    link.run(_ANSWER, (number, capability, number, token, epoch))


def _read(link: Link, query: str, capability: str) -> int:
    try:
        found = link.one(query, (capability,))
    except Unfit:  # there is no such table: it is still to be installed
        return 0
    return 0 if found is None else int(found[0])
