"""The sandbox in this process, with books of its own in a file: nothing else has to run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from uuid import UUID

from contracts.money import Money
from monolith.payments.providers import Told, read
from monolith.payments.sandbox import core, magic
from monolith.payments.sandbox.books import Books
from monolith.payments.sandbox.core import Asked, Refused
from monolith.payments.sandbox.faults import Fault
from strangler.ports.errors import BadAnswer, TimedOut


class EmbeddedProvider:
    """Asks the sandbox's core; nobody is told by webhook. What is magic there is so here."""

    def __init__(self, books: Path) -> None:
        self._books = Books(books, telling=False)

    def authorise(self, key: UUID, amount: Money, method: str, *, customer: str) -> Told:
        """Have this amount put aside, or be declined: also if the method is another customer's."""
        asked = Asked(f"{amount.amount:f}", amount.currency, method, customer)
        fault = magic.FAULTS.get(method) if self._books.look_up(str(key)) is None else None
        if fault is Fault.BEFORE:
            raise BadAnswer("the sandbox fails, as it was asked to")
        act = partial(core.authorise, key=str(key), asked=asked)
        try:
            told = read(self._books.change(str(key), act).shown())
        except Refused as refused:
            raise BadAnswer(f"the sandbox refuses: {refused}") from refused
        if fault is not None:
            raise TimedOut("the sandbox does not answer, as it was asked to")
        return told

    def capture(self, key: UUID) -> Told:
        """Take what was put aside."""
        try:
            return read(self._books.change(str(key), core.capture).shown())
        except Refused as refused:
            raise BadAnswer(f"the sandbox refuses: {refused}") from refused

    def refund(self, key: UUID) -> Told:
        """Give back what was taken, or let go what was put aside; nothing is taken later."""
        return read(self._books.change(str(key), partial(core.refund, key=str(key))).shown())

    def look_up(self, key: UUID) -> Told | None:
        """How it stands; None for a key that was never seen."""
        found = self._books.look_up(str(key))
        return read(found.shown()) if found else None
