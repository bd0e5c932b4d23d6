"""The tables of one capability in a SQLite file, as they are, and their keys in the journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from strangler.ladder import Arm
from strangler.transfer.mapping import Key
from strangler.transfer.sqlite.link import Link
from strangler.transfer.sqlite.schema import Described, describe
from strangler.transfer.sqlite.values import key_of, key_text
from strangler.transfer.tables import Column, Table


class Tables:
    """Knows each table until somebody alters one."""

    def __init__(self, link: Link, capability: str, arm: Arm, names: Sequence[str]) -> None:
        self.capability = capability
        self.arm = arm
        self.names = tuple(names)
        self._link = link
        self._version: int | None = None
        self._known: dict[str, Described] = {}

    def get(self, name: str) -> Described:
        """A table.

        Raises:
            Unfit: there is none of this name, or of the kind that can be transferred.
        """
        (version,) = self._link.one("PRAGMA schema_version")
        if version != self._version:
            self._known.clear()
            self._version = version
        if name not in self._known:
            self._known[name] = describe(self._link, name)
        return self._known[name]

    def key_text(self, table: str, key: Key) -> str:
        """A key as the journal has it."""
        return key_text(key, keys_of(self.get(table).table), self.arm)

    def key_of(self, table: str, text: str) -> Key:
        """A key that the journal has."""
        return key_of(text, keys_of(self.get(table).table))

    def key_texts(self, table: str, keys: Iterable[Key]) -> dict[str, Key]:
        """Keys by what the journal has of them."""
        columns = keys_of(self.get(table).table)
        return {key_text(key, columns, self.arm): key for key in keys}


def keys_of(table: Table) -> list[Column]:
    """The columns of the primary key."""
    return [table.columns[name] for name in table.key]
