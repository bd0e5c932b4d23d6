"""One table of a manifest, read key by key; what is wrong is written down, and reading goes on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from strangler.manifest.model import Problem
from strangler.manifest.values import Converter, Wrong, nearest

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)


class Section:
    """A table at a dotted key.

    Every key is taken once, and ``close`` reports those that nobody took. A value that is missing
    or wrong is reported and replaced by ``otherwise``, so that the next ones are looked at too.
    """

    def __init__(
        self, data: Mapping[str, object], *, file: str, key: str, problems: list[Problem]
    ) -> None:
        self._data = data
        self._file = file
        self._key = key
        self._problems = problems
        self._known: set[str] = set()

    def names(self) -> tuple[str, ...]:
        """The names in the table, in the file's order."""
        return tuple(self._data)

    def path(self, name: str) -> str:
        """The dotted key of a name in this table."""
        return f"{self._key}.{name}" if self._key else name

    def report(self, name: str, found: str, remedy: str) -> None:
        """Write down what is wrong with a name in this table."""
        self._problems.append(Problem(self._file, self.path(name), found, remedy))

    def take(self, name: str, convert: Converter[T], otherwise: T) -> T:
        """An optional value."""
        self._known.add(name)
        if name not in self._data:
            return otherwise
        try:
            return convert(self._data[name])
        except Wrong as wrong:
            self.report(name, wrong.found, wrong.remedy)
            return otherwise

    def require(self, name: str, convert: Converter[T], otherwise: T, *, remedy: str) -> T:
        """A value that must be there; ``remedy`` shows what it looks like."""
        if name not in self._data:
            self.report(name, "it is missing", f"write {remedy}")
        return self.take(name, convert, otherwise)

    def require_list(self, name: str, convert: Converter[H], *, remedy: str) -> tuple[H, ...]:
        """A list that must be there, and not be empty; ``remedy`` shows what it looks like."""
        if name not in self._data:
            self.report(name, "it is missing", f"write {remedy}")
        return self.listed(name, convert, some=True)

    def listed(
        self, name: str, convert: Converter[H], otherwise: tuple[H, ...] = (), *, some: bool = False
    ) -> tuple[H, ...]:
        """An optional list of different values; with ``some`` not an empty one."""
        self._known.add(name)
        if name not in self._data:
            return otherwise
        values = self._data[name]
        if not isinstance(values, list):
            self.report(name, f"{values!r} is no list", "write it between [ and ]")
            return otherwise
        if some and not values:
            self.report(name, "the list is empty", "name at least one")
        taken: dict[H, None] = {}
        for index, value in enumerate(values):
            try:
                one = convert(value)
            except Wrong as wrong:
                self.report(f"{name}[{index}]", wrong.found, wrong.remedy)
                continue
            if one in taken:
                self.report(
                    f"{name}[{index}]", f"{value!r} is there twice", "leave one of them out"
                )
            taken[one] = None
        return tuple(taken)

    def section(self, name: str) -> Section:
        """A table within this one; an empty one if it is not there."""
        self._known.add(name)
        data = self._data.get(name, {})
        if not isinstance(data, dict):
            self.report(
                name, f"{data!r} is no table", f"write [{self.path(name)}] and its keys below"
            )
            data = {}
        return Section(data, file=self._file, key=self.path(name), problems=self._problems)

    def close(self) -> None:
        """Report every key that nobody has taken."""
        for name in self._data:
            if name not in self._known:
                remedy = nearest(name, self._known, what="keys here")
                self.report(name, "there is no such key", remedy)
