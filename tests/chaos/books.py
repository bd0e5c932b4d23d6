"""What a writer's log says that the rows must be: the commands that were acknowledged, in order.

The writer keeps such books while it runs, to know what it has; the checker keeps them again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.side import Item

Command = dict[str, Any]
"""``do`` says what, ``n`` which it is of this writer; the rest is what it needs."""


@dataclass
class Books:
    """One writer's rows, and its part in those of all."""

    boxes: dict[int, tuple[str, int | None]] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    entries: dict[int, str] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    """The numbers that the database has given to entries: seq → id."""
    counts: Counter[int] = field(default_factory=Counter)
    swaps: Counter[int] = field(default_factory=Counter)

    def enter(self, command: Command, answer: str) -> None:
        """It has been acknowledged."""
        getattr(self, f"_{command['do']}")(command, answer)

    def _box(self, command: Command, answer: str) -> None:
        self.boxes[int(answer)] = (command["name"], command["parent"])

    def _drop_box(self, command: Command, answer: str) -> None:
        gone = command["box"]
        del self.boxes[gone]
        for box, (name, parent) in self.boxes.items():
            self.boxes[box] = (name, None if parent == gone else parent)
        self.items = {sku: item for sku, item in self.items.items() if item[0] != gone}

    def _item(self, command: Command, answer: str) -> None:
        self.items[command["sku"]] = (command["box"], command["cents"], command["note"])

    def _rename(self, command: Command, answer: str) -> None:
        self.items[command["to"]] = self.items.pop(command["sku"])

    def _drop_item(self, command: Command, answer: str) -> None:
        del self.items[command["sku"]]

    def _entry(self, command: Command, answer: str) -> None:
        self.entries[command["seq"]] = command["words"]
        self.numbers[command["seq"]] = int(answer)

    def _bulk(self, command: Command, answer: str) -> None:
        for seq in range(command["seq"], command["seq"] + command["many"]):
            self.entries[seq] = command["words"]

    _copy = _bulk

    def _amend(self, command: Command, answer: str) -> None:
        for seq in range(command["first"], command["last"]):
            if seq in self.entries:
                self.entries[seq] = command["words"]

    def _count(self, command: Command, answer: str) -> None:
        self.counts[command["counter"]] += 1

    def _swap(self, command: Command, answer: str) -> None:
        self.swaps[command["one"]] += 1
        self.swaps[command["other"]] += 1

    def _long(self, command: Command, answer: str) -> None:
        for sku, cents in command["items"]:
            self.items[sku] = (command["box"], cents, command["note"])
        self._bulk(command, answer)
