"""What a request may say, field by field, checked as strictly and told in the same words as before.

The monolith's clients know the messages of Django REST framework, so those are spoken here.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any, ClassVar, Final

from strangler.fastapi.rest.asking import Invalid, wrong

ABSENT: Final = object()
"""Stands for a value that the request does not have."""
Schema = dict[str, Any]
_NO_MATCH: Final = "This value does not match the required pattern."


class _Skip(Exception):
    """The value is absent, and may be."""


@dataclass(frozen=True, kw_only=True)
class Field(ABC):
    """One value: ``required`` if it has to be there, ``nullable`` if it may be null."""

    required: bool = True
    nullable: bool = False

    def read(self, given: Any) -> Any:
        """The value.

        Raises:
            Invalid: it is not what it may be.
        """
        if given is ABSENT:
            if self.required:
                raise wrong("This field is required.")
            raise _Skip
        if given is None:
            if self.nullable:
                return None
            raise wrong("This field may not be null.")
        return self.value(given)

    @abstractmethod
    def value(self, given: Any) -> Any:
        """The value of what is there, and is not null."""

    @abstractmethod
    def schema(self, *, request: bool) -> Schema:
        """What OpenAPI says of it."""


@dataclass(frozen=True, kw_only=True)
class Text(Field):
    """Text without space around it, of bounded length; a number is taken for its digits."""

    longest: int | None = None
    blank: bool = False
    pattern: str | None = None

    def read(self, given: Any) -> Any:
        """The text."""
        if isinstance(given, str) and not given.strip():
            if self.blank:
                return ""
            raise wrong("This field may not be blank.")
        return super().read(given)

    def value(self, given: Any) -> str:
        """The text, if all is right with it; or else everything that is wrong."""
        text = self.text(given)
        problems = list(self._problems(text))
        if problems:
            raise Invalid(("", message) for message in problems)
        return text

    def text(self, given: Any) -> str:
        """As text, whatever it says."""
        if isinstance(given, bool) or not isinstance(given, str | int | float):
            raise wrong("Not a valid string." if self.pattern is None else _NO_MATCH)
        return str(given).strip()

    def _problems(self, text: str) -> Iterator[str]:
        if self.longest is not None and len(text) > self.longest:
            yield f"Ensure this field has no more than {self.longest} characters."
        if "\0" in text:
            yield "Null characters are not allowed."
        surrogate = re.search("[\ud800-\udfff]", text)
        if surrogate:
            yield f"Surrogate characters are not allowed: U+{ord(surrogate[0]):X}."
        if self.pattern is not None and not re.search(self.pattern, text):
            yield _NO_MATCH

    def schema(self, *, request: bool) -> Schema:
        """A string; none that is empty is accepted, but one that is there is answered."""
        found: Schema = {"type": "string"}
        if self.longest is not None:
            found["maxLength"] = self.longest
        if request and not self.blank:
            found["minLength"] = 1
        if self.pattern is not None:
            found["pattern"] = self.pattern
        return found


@dataclass(frozen=True, kw_only=True)
class Flag(Field):
    """Yes or no, in any of the usual ways to write it."""

    _YES: ClassVar = frozenset({"t", "y", "yes", "true", "on", "1", 1})
    _NO: ClassVar = frozenset({"f", "n", "no", "false", "off", "0", 0})

    def value(self, given: Any) -> bool | None:
        """Which of them."""
        said = given.lower() if isinstance(given, str) else given
        if isinstance(said, str | int | float):
            if said in self._YES:
                return True
            if said in self._NO:
                return False
            if self.nullable and said in {"null", ""}:
                return None
        raise wrong("Must be a valid boolean.")

    def schema(self, *, request: bool) -> Schema:  # noqa: ARG002 -- it says the same both ways
        """True or false."""
        return {"type": "boolean"}


@dataclass(frozen=True, kw_only=True)
class Number(Field):
    """A decimal number, as a string: ``digits`` at most, of which ``decimals`` after the point."""

    digits: int
    decimals: int

    def value(self, given: Any) -> Decimal:
        """The number, with all its decimals."""
        text = str(given).strip()
        if len(text) > 1000:
            raise wrong("String value too large.")
        try:
            number = Decimal(text)
        except DecimalException:
            raise wrong("A valid number is required.") from None
        if not number.is_finite():
            raise wrong("A valid number is required.")
        self._check(number)
        return number.quantize(Decimal(1).scaleb(-self.decimals))

    def _check(self, number: Decimal) -> None:
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)  # noqa: S101 -- it is finite
        written = len(number.as_tuple().digits)
        total = written + exponent if exponent >= 0 else max(written, -exponent)
        decimals = max(0, -exponent)
        if total > self.digits:
            raise wrong(f"Ensure that there are no more than {self.digits} digits in total.")
        if decimals > self.decimals:
            raise wrong(f"Ensure that there are no more than {self.decimals} decimal places.")
        whole = self.digits - self.decimals
        if max(0, total - decimals) > whole:
            raise wrong(
                f"Ensure that there are no more than {whole} digits before the decimal point."
            )

    def schema(self, *, request: bool) -> Schema:  # noqa: ARG002 -- it says the same both ways
        """A string, so that nobody's floating point spoils it."""
        return {"type": "string"}


@dataclass(frozen=True, kw_only=True)
class Choice(Field):
    """One of a few words."""

    words: Sequence[str]

    def value(self, given: Any) -> str:
        """The word."""
        if str(given) not in self.words:
            raise wrong(f'"{given}" is not a valid choice.')
        return str(given)

    def schema(self, *, request: bool) -> Schema:
        """The words."""
        found: Schema = {"type": "string", "enum": sorted(self.words)}
        return {**found, "minLength": 1} if request else found


@dataclass(frozen=True, kw_only=True)
class Many(Field):
    """A list of values of one kind, at most ``most``."""

    of: Field
    most: int

    def value(self, given: Any) -> list[Any]:
        """The list, or everything that is wrong in it."""
        found = gathered((f"[{index}]", self.of, item) for index, item in enumerate(given))
        if len(found) > self.most:
            raise wrong(f"Ensure this field has no more than {self.most} elements.")
        return list(found.values())

    def schema(self, *, request: bool) -> Schema:
        """An array."""
        return {"type": "array", "items": self.of.schema(request=request), "maxItems": self.most}


@dataclass(frozen=True, kw_only=True)
class Names(Field):
    """An object whose members are not known beforehand; ``check`` says what is wrong with it."""

    of: Field
    check: Callable[[Mapping[str, Any]], str | None]

    def value(self, given: Any) -> dict[str, Any]:
        """The members, or everything that is wrong with them."""
        if not isinstance(given, dict):
            kind = type(given).__name__
            raise wrong(f'Expected a dictionary of items but got type "{kind}".')
        found = gathered((f".{name}", self.of, item) for name, item in given.items())
        members = {path[1:]: value for path, value in found.items()}
        problem = self.check(members)
        if problem:
            raise wrong(problem)
        return members

    def schema(self, *, request: bool) -> Schema:
        """An object."""
        return {"type": "object", "additionalProperties": self.of.schema(request=request)}


@dataclass(frozen=True, kw_only=True)
class Record(Field):
    """An object with these members; others are ignored.

    Where all of them are right, ``made`` makes something of them, and says what is wrong together.
    """

    fields: Mapping[str, Field]
    made: Callable[[dict[str, Any]], Any] = dict

    def value(self, given: Any) -> Any:
        """What is made of it, or everything that is wrong."""
        if not isinstance(given, Mapping):
            kind = type(given).__name__
            raise wrong(f"Invalid data. Expected a dictionary, but got {kind}.")
        found = gathered(
            (f".{name}", one, given.get(name, ABSENT)) for name, one in self.fields.items()
        )
        return self.made({path[1:]: value for path, value in found.items()})

    def schema(self, *, request: bool) -> Schema:
        """An object."""
        found: Schema = {
            "type": "object",
            "properties": {n: one.schema(request=request) for n, one in self.fields.items()},
        }
        required = sorted(name for name, one in self.fields.items() if one.required)
        return {**found, "required": required} if required else found


def gathered(given: Iterable[tuple[str, Field, Any]]) -> dict[str, Any]:
    """The values by their paths, without those that are absent.

    Raises:
        Invalid: with everything that is wrong in any of them.
    """
    values: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for path, one, item in given:
        try:
            values[path] = one.read(item)
        except _Skip:
            continue
        except Invalid as invalid:
            problems += [(path + inner, message) for inner, message in invalid.problems]
    if problems:
        raise Invalid(problems)
    return values
