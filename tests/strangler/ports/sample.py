"""A port with one method of each sort, and whoever answers for it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from strangler.ports.context import Context, current
from strangler.ports.declare import Port, command, query
from strangler.ports.errors import DeclaredError


@dataclass(frozen=True, slots=True)
class Thing:
    name: str
    price: Decimal


class Missing(DeclaredError, status=404):
    """There is no such thing."""

    name: str


class Undeclared(DeclaredError):
    """No method says that it raises this."""


def guessed(name: str) -> Thing:
    return Thing(name, Decimal(0))


class Shop(Port, capability="shop"):
    """What the tests call."""

    @query(timeout=5.0, raises=[Missing])
    def look(self, name: str) -> Thing:
        """One thing."""

    @query(timeout=0.5)
    def hurry(self, name: str) -> Thing:
        """One thing, soon."""

    @query(timeout=5.0)
    def look_all(self, names: list[str]) -> list[Thing]:
        """Many things at once."""

    @query(timeout=5.0, fallback=guessed)
    def guess(self, name: str) -> Thing:
        """One thing, or at least something."""

    @command(timeout=5.0, raises=[Missing])
    def sell(self, name: str) -> Thing:
        """Not idempotent: each call sells one more."""

    @command(timeout=5.0, idempotent=True, raises=[Missing])
    def put(self, name: str, price: Decimal = Decimal(1)) -> Thing:
        """Idempotent: the same thing may be put there twice."""


class Shelf(Shop):
    """Answers, and remembers who asked for what in which context."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.contexts: list[Context] = []
        self.sold = 0

    def _note(self, name: str) -> None:
        self.asked.append(name)
        self.contexts.append(current())

    def look(self, name: str) -> Thing:
        self._note(f"look {name}")
        if name == "nothing":
            raise Missing(name)
        if name == "undeclared":
            raise Undeclared
        if name == "bug":
            raise ZeroDivisionError("a bug")
        return Thing(name, Decimal("9.99"))

    def hurry(self, name: str) -> Thing:
        self._note(f"hurry {name}")
        return Thing(name, Decimal("9.99"))

    def look_all(self, names: list[str]) -> list[Thing]:
        self._note("look_all")
        return [Thing(name, Decimal("9.99")) for name in names]

    def guess(self, name: str) -> Thing:
        self._note(f"guess {name}")
        return Thing(name, Decimal("9.99"))

    def sell(self, name: str) -> Thing:
        self._note(f"sell {name}")
        self.sold += 1
        return Thing(name, Decimal(self.sold))

    def put(self, name: str, price: Decimal = Decimal(1)) -> Thing:
        self._note(f"put {name}")
        return Thing(name, price)
