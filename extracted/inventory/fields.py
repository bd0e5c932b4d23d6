"""What a value in a request has to be, and what is said of one that is not.

The words are those of the monolith's REST framework, so that clients are told the same.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from strangler.fastapi.rest.asking import Invalid
from strangler.fastapi.rest.asking import wrong as unfit

_MISSING: Final = object()
_FRACTION: Final = re.compile(r"\.0*\s*$")
_LONGEST_NUMBER: Final = 1000


class Wrong(Exception):
    """A value is not what it has to be; ``messages`` say why."""

    def __init__(self, *messages: str) -> None:
        super().__init__(*messages)
        self.messages = messages


@dataclass(frozen=True, slots=True)
class Field(ABC):
    """One member of a request's object."""

    @abstractmethod
    def clean(self, value: Any) -> Any:
        """What the value means; it is not None.

        Raises:
            Wrong: nothing.
        """


def cleaned(
    fields: Mapping[str, Field], data: Any, *, optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The members of a request's object, without those ``optional`` ones that are not there.

    Raises:
        Invalid: with everything that is wrong.
    """
    if not isinstance(data, Mapping):
        kind = type(data).__name__
        raise unfit(f"Invalid data. Expected a dictionary, but got {kind}.")
    found: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for name, field in fields.items():
        value = data.get(name, _MISSING)
        if value is _MISSING and name in optional:
            continue
        try:
            if value is _MISSING:
                raise Wrong("This field is required.")  # noqa: TRY301 - one of several wrongs
            if value is None:
                raise Wrong("This field may not be null.")  # noqa: TRY301 - ditto
            found[name] = field.clean(value)
        except Wrong as wrong:
            problems += [(f".{name}", message) for message in wrong.messages]
    if problems:
        raise Invalid(problems)
    return found


@dataclass(frozen=True, slots=True)
class Text(Field):
    """Some text, without the space around it. A number will do."""

    longest: int
    blank: bool = False
    pattern: str | None = None
    mismatch: str = "This value does not match the required pattern."

    def clean(self, value: Any) -> str:
        """The text."""
        if str(value).strip() == "":
            if not self.blank:
                raise Wrong("This field may not be blank.")
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise Wrong(self.mismatch if self.pattern else "Not a valid string.")
        text = str(value).strip()
        if wrong := list(self._wrong(text)):
            raise Wrong(*wrong)
        return text

    def _wrong(self, text: str) -> Iterator[str]:
        if len(text) > self.longest:
            yield f"Ensure this field has no more than {self.longest} characters."
        if "\0" in text:
            yield "Null characters are not allowed."
        if surrogate := next((each for each in text if 0xD800 <= ord(each) <= 0xDFFF), None):
            yield f"Surrogate characters are not allowed: U+{ord(surrogate):X}."
        if self.pattern is not None and not re.search(self.pattern, text):
            yield self.mismatch


@dataclass(frozen=True, slots=True)
class Whole(Field):
    """A whole number; as text, or with zeros after its point, it will do too."""

    low: int
    high: int

    def clean(self, value: Any) -> int:
        """The number."""
        if isinstance(value, str) and len(value) > _LONGEST_NUMBER:
            raise Wrong("String value too large.")
        try:
            number = int(_FRACTION.sub("", str(value)))
        except ValueError:
            raise Wrong("A valid integer is required.") from None
        if number > self.high:
            raise Wrong(f"Ensure this value is less than or equal to {self.high}.")
        if number < self.low:
            raise Wrong(f"Ensure this value is greater than or equal to {self.low}.")
        return number


@dataclass(frozen=True, slots=True)
class Choice(Field):
    """One of these words."""

    words: tuple[str, ...]

    def clean(self, value: Any) -> str:
        """The word."""
        if str(value) not in self.words:
            raise Wrong(f'"{value}" is not a valid choice.')
        return str(value)


@dataclass(frozen=True, slots=True)
class Reference(Field):
    """The key of something that there is."""

    key: str
    find: Callable[[str], Any]
    """What has this key; None for nothing."""

    def clean(self, value: Any) -> Any:
        """What has this key."""
        if value == "":
            raise Wrong("This field may not be null.")
        try:
            str(value).encode()
        except UnicodeEncodeError:
            raise Wrong("Invalid value.") from None
        found = self.find(str(value))
        if found is None:
            raise Wrong(f"Object with {self.key}={value} does not exist.")
        return found


@dataclass(frozen=True, slots=True)
class Checked(Field):
    """A field whose value is looked at once more."""

    field: Field
    wrong: Callable[[Any], str | None]
    """What is wrong with a value of the field; None for nothing."""

    def clean(self, value: Any) -> Any:
        """The field's value."""
        found = self.field.clean(value)
        if message := self.wrong(found):
            raise Wrong(message)
        return found
