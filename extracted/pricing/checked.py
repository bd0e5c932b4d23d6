"""Reading a table of TOML with care: values are checked, and every mistake is noted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: in which file, at which key, what stands there, and what to write instead."""

    file: str
    key: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.found}; {self.remedy}"


class RulesErrors(Exception):
    """The rules can't be used; ``problems`` are all that is wrong with them."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Table:
    """One table of the document: hands out its values, checked, and notes what is wrong."""

    def __init__(
        self, values: dict[str, object], path: str, file: str, problems: list[Problem]
    ) -> None:
        self._values = values
        self._path = path
        self._file = file
        self._problems = problems
        self._known: list[str] = []

    def report(self, key: str, found: str, remedy: str) -> None:
        """Note a mistake at a key of this table; the table itself where ``key`` is empty."""
        path = f"{self._path}.{key}" if self._path and key else self._path or key
        self._problems.append(Problem(self._file, path, found, remedy))

    def has(self, key: str) -> bool:
        """Whether anything stands there, right or wrong."""
        return key in self._values

    def _get(self, key: str, *, required: bool, remedy: str) -> object:
        self._known.append(key)
        if required and key not in self._values:
            self.report(key, "it is missing", remedy)
        return self._values.get(key)

    def number(
        self,
        key: str,
        *,
        low: Decimal,
        high: Decimal = Decimal("1e9"),
        required: bool = False,
        above: bool = False,
    ) -> Decimal | None:
        """A number in a range; ``above`` leaves ``low`` itself out."""
        bounds = f"above {low} and up to" if above else f"from {low} to"
        remedy = f"write a number {bounds} {high:f}"
        value = self._get(key, required=required, remedy=remedy)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            value = Decimal(value)
        if isinstance(value, Decimal) and value.is_finite() and low <= value <= high:
            inside = value > low or not above
            if inside:
                return value
        self.report(key, f"found {_show(value)}", remedy)
        return None

    def whole(self, key: str, *, low: int, high: int) -> int | None:
        """A whole number in a range, which must be there."""
        remedy = f"write a whole number from {low} to {high}"
        value = self._get(key, required=True, remedy=remedy)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.report(key, f"found {_show(value)}", remedy)
        return None

    def choice(self, key: str, choices: tuple[str, ...], *, required: bool) -> str | None:
        """One of these words."""
        remedy = f"write one of {', '.join(choices)}"
        value = self._get(key, required=required, remedy=remedy)
        if value is None or (isinstance(value, str) and value in choices):
            return value
        self.report(key, f"found {_show(value)}", remedy)
        return None

    def day(self, key: str) -> date | None:
        """A day without a time."""
        remedy = "write a day such as 2030-12-31"
        value = self._get(key, required=False, remedy=remedy)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        self.report(key, f"found {_show(value)}", remedy)
        return None

    def tables(self, key: str, pattern: str) -> Iterator[tuple[str, Table]]:
        """The tables below a key, each named by a code of this form."""
        self._known.append(key)
        values = self._values.get(key, {})
        if not isinstance(values, dict):
            self.report(key, f"found {_show(values)}", f"write tables such as [{key}.CODE]")
            return
        for code, value in values.items():
            table = Table(value, f"{key}.{code}", self._file, self._problems)
            if not re.fullmatch(pattern, code):
                table.report("", "its name is malformed", f"write a code that matches {pattern}")
            elif not isinstance(value, dict):
                table.report("", f"found {_show(value)}", f"write a table [{key}.{code}]")
            else:
                yield code, table
                table.end()

    def array(self, key: str) -> Iterator[Table]:
        """The tables of an array."""
        self._known.append(key)
        values = self._values.get(key, [])
        if not (isinstance(values, list) and all(isinstance(value, dict) for value in values)):
            self.report(key, f"found {_show(values)}", f"write tables such as [[{key}]]")
            return
        for index, value in enumerate(values):
            table = Table(value, f"{key}[{index}]", self._file, self._problems)
            yield table
            table.end()

    def end(self) -> None:
        """Nothing else may stand here."""
        for key in self._values:
            if key not in self._known:
                self.report(key, "no such key", f"write one of {', '.join(self._known)}")


def _show(value: object) -> str:
    return str(value) if isinstance(value, Decimal | date) else repr(value)
