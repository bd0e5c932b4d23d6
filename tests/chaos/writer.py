"""Writers, each a process: applications that send commands, and rogues that don't know the door.

An application goes to the side that the routing table names, enters by its door, is carried to the
other side if that one owns, and does each command once: its key travels with the rows, so what was
perhaps executed can be sent again. A command is acknowledged once the log says so.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import psycopg

from strangler.ladder import Arm
from strangler.transfer.door import Door, DoorClosed
from strangler.transfer.errors import DatabaseAway
from tests.chaos import notes
from tests.chaos.books import Books, Command
from tests.chaos.side import Fenced, Gone, Side
from tests.chaos.world import COUNTERS, SLOTS, World

PATIENCE = 60.0
"""Seconds after which a command that was not executed is an error for whoever sent it."""
_DEADLINE = 10.0
_LOOK = 0.1
"""Seconds for which the routing table is believed."""
WISHES = {
    "box": 4, "item": 20, "rename": 4, "drop_item": 6, "drop_box": 1, "entry": 20, "bulk": 3,
    "copy": 2, "amend": 3, "count": 12, "swap": 8, "long": 1.5,
}  # fmt: skip
_PAUSE = {"postgres": (0.02, 0.12), "sqlite": (0.04, 0.2)}


class _Elsewhere(Exception):
    """The other side owns."""


def log_of(world: World, name: str) -> Path:
    """Where a writer says what it has done."""
    return world.folder / f"{name}.writer"


def processes(world: World) -> list[int]:
    """The applications that have begun, by process; some may have ended."""
    return [int(path.read_text()) for path in world.folder.glob("*.pid")]


def command(world: World, name: str, seed: int) -> None:
    """An application, until the world ends."""
    pid = world.folder / f"{name}.pid"
    pid.with_suffix(".new").write_text(str(os.getpid()))
    pid.with_suffix(".new").replace(pid)
    _Application(world, name, seed).run()


class _Application:
    def __init__(self, world: World, name: str, seed: int) -> None:
        self._world = world
        self._name = name
        self._random = random.Random(seed)
        self._notes = notes.Notes(log_of(world, name))
        self._doors: dict[Arm, Door] = {arm: world.door(arm) for arm in Arm}
        self._sides: dict[Arm, Side] = {}
        self._desk = world.desk
        self._table = (0.0, Arm.MONOLITH)
        self._books = Books()
        self._number = 0
        self._seq = 0
        self._tries = 0

    def run(self) -> None:
        unanswered = self._remember()
        if unanswered is not None:
            self._send(unanswered)  # as a client does that has got no answer
        while not self._world.over:
            made = self._make()
            self._notes.say(sure=True, asked=made)
            self._send(made)
            time.sleep(self._random.uniform(*_PAUSE[self._world.kind]))
        self._notes.say(ended=True)

    def _remember(self) -> Command | None:
        """What whoever had our name before us has left."""
        asked: Command | None = None
        for line in notes.read(log_of(self._world, self._name)):
            if "asked" in line:
                asked = line["asked"]
                self._number = asked["n"]
                self._seq = max(self._seq, asked.get("seq", 0) + asked.get("many", 1))
            elif "done" in line and asked is not None:
                self._books.enter(asked, line["answer"])
                asked = None
        return asked

    def _make(self) -> Command:
        """What comes to a client's mind."""
        self._number += 1
        made: Command = {"n": self._number}
        for wish in (*self._random.choices(list(WISHES), list(WISHES.values()), k=3), "box"):
            if (more := getattr(self, f"_wish_{wish}")(f"{self._name} {self._number}")) is not None:
                return made | {"do": wish} | more
        raise AssertionError

    def _wish_box(self, words: str) -> Command:
        return {"name": words, "parent": self._random.choice([None, *self._books.boxes])}

    def _wish_drop_box(self, words: str) -> Command | None:
        boxes = list(self._books.boxes)
        return {"box": self._random.choice(boxes)} if boxes else None

    def _wish_item(self, words: str) -> Command | None:
        if not (boxes := list(self._books.boxes)):
            return None
        sku = f"{self._name}-{self._random.randrange(60)}"
        cents = self._random.randrange(10**6)
        return {"sku": sku, "box": self._random.choice(boxes), "cents": cents, "note": words}

    def _wish_rename(self, words: str) -> Command | None:
        items = list(self._books.items)
        return {"sku": self._random.choice(items), "to": words} if items else None

    def _wish_drop_item(self, words: str) -> Command | None:
        items = list(self._books.items)
        return {"sku": self._random.choice(items)} if items else None

    def _wish_count(self, words: str) -> Command:
        return {"counter": self._random.randrange(COUNTERS)}

    def _wish_swap(self, words: str) -> Command:
        one, other = self._random.sample(range(SLOTS), 2)
        return {"one": one, "other": other}

    def _wish_amend(self, words: str) -> Command:
        first = self._random.randrange(max(1, self._seq))
        return {"first": first, "last": first + self._random.randrange(100), "words": words}

    def _wish_entry(self, words: str, many: int = 1) -> Command:
        seq, self._seq = self._seq, self._seq + many
        return {"seq": seq, "many": many, "words": words}

    def _wish_bulk(self, words: str) -> Command:
        return self._wish_entry(words, self._random.randrange(2, 40))

    def _wish_copy(self, words: str) -> Command:
        return self._wish_entry(words, self._random.randrange(2, 200))

    def _wish_long(self, words: str) -> Command | None:
        if not (boxes := list(self._books.boxes)):
            return None
        skus = self._random.sample(range(60), 3)
        items = [(f"{self._name}-{number}", self._random.randrange(10**6)) for number in skus]
        made = {"items": items, "box": self._random.choice(boxes), "note": words}
        return made | self._wish_entry(words, 5)

    def _send(self, made: Command) -> None:
        """Until it is acknowledged; whatever a client should not see is an error."""
        began, self._tries = time.monotonic(), 0
        arm = self._owner()
        while (answer := self._tried(arm, made)) is None:
            if self._world.over and not self._world.ending.exists():
                raise SystemExit(1)
            if time.monotonic() > began + PATIENCE:
                self._notes.say(error=f"{made}: not executed within {PATIENCE:g} s")
                raise SystemExit(1)
            arm = self._owner()
        took = time.monotonic() - began
        self._notes.say(
            sure=True, done=made["n"], answer=answer, took=took, at=time.time(), tries=self._tries
        )
        self._books.enter(made, answer)

    def _tried(self, arm: Arm, made: Command) -> str | None:
        """The answer, or None where it has to be sent again."""
        self._tries += 1
        try:
            return self._attempt(arm, made)
        except _Elsewhere:
            until = time.monotonic() + _LOOK
            self._table = (until, Arm.SERVICE if arm is Arm.MONOLITH else Arm.MONOLITH)
        except (DoorClosed, psycopg.errors.DeadlockDetected):
            pass
        except Fenced as error:
            # It held the door, which only a lost connection can have opened behind its back.
            self._complain(error, unless=self._world.rough)
        except (Gone, DatabaseAway) as error:
            self._complain(error, unless=self._world.rough)
            if (side := self._sides.pop(arm, None)) is not None:
                side.close()
        except (psycopg.Error, sqlite3.Error) as error:
            self._complain(error)
        return None

    def _complain(self, error: Exception, *, unless: bool = False) -> None:
        if not unless:
            self._notes.say(error=f"{type(error).__name__}: {error}")
        time.sleep(0.05)

    def _owner(self) -> Arm:
        """By the routing table, which is a little late."""
        until, arm = self._table
        if time.monotonic() > until:
            with suppress(sqlite3.OperationalError):
                arm = Arm.MONOLITH if self._desk.published() % 2 else Arm.SERVICE
            self._table = (time.monotonic() + _LOOK, arm)
        return arm

    def _attempt(self, arm: Arm, made: Command) -> str:
        with self._inside(arm):
            side = self._sides.get(arm) or self._sides.setdefault(arm, self._world.side(arm))
            key = uuid5(NAMESPACE_OID, f"{self._name}/{made['n']}").hex
            with side.transaction():
                answer = side.first_time(key)
                if answer is None:
                    answer = self._execute(side, made)
                    side.remember(key, answer)
            return answer

    @contextmanager
    def _inside(self, arm: Arm) -> Iterator[None]:
        with self._doors[arm].entered(deadline=time.monotonic() + _DEADLINE) as owner:
            if owner is None or owner.owner is not arm:
                raise _Elsewhere
            yield

    def _execute(self, side: Side, made: Command) -> str:
        return str(getattr(self, f"_{made['do']}")(side, made) or "done")

    def _box(self, side: Side, made: Command) -> int:
        return side.add_box(made["name"], made["parent"])

    def _drop_box(self, side: Side, made: Command) -> None:
        side.drop_box(made["box"])

    def _item(self, side: Side, made: Command) -> None:
        side.put_item(made["sku"], made["box"], made["cents"], made["note"])

    def _rename(self, side: Side, made: Command) -> None:
        side.rename_item(made["sku"], made["to"])

    def _drop_item(self, side: Side, made: Command) -> None:
        side.drop_item(made["sku"])

    def _entry(self, side: Side, made: Command) -> int:
        return side.add_entry(self._name, made["seq"], made["words"])

    def _bulk(self, side: Side, made: Command) -> None:
        side.bulk_entries(self._rows(made))

    def _copy(self, side: Side, made: Command) -> None:
        side.copy_entries(self._rows(made))

    def _amend(self, side: Side, made: Command) -> None:
        side.amend_entries(self._name, made["first"], made["last"], made["words"])

    def _count(self, side: Side, made: Command) -> None:
        side.count(made["counter"])

    def _swap(self, side: Side, made: Command) -> None:
        side.swap(made["one"], made["other"])

    def _long(self, side: Side, made: Command) -> None:
        """A transaction that takes its time."""
        side.bulk_entries(self._rows(made))
        for sku, cents in made["items"]:
            if side.begin == "BEGIN":  # on SQLite everybody else would wait
                time.sleep(self._random.uniform(0.05, 0.3))
            side.put_item(sku, made["box"], cents, made["note"])

    def _rows(self, made: Command) -> list[tuple[str, int, str]]:
        seqs = range(made["seq"], made["seq"] + made["many"])
        return [(self._name, seq, made["words"]) for seq in seqs]


def rogue(world: World, name: str, seed: int) -> None:
    """Somebody who writes where they please, and knows no door: is denied, or captured."""
    pick, seq = random.Random(seed), 0
    log = log_of(world, name)
    for line in notes.read(log):
        seq = max(seq, line.get("tried", -1) + 1)
    with notes.Notes(log) as said:
        while not world.over:
            arm = pick.choice(list(Arm))
            try:
                with closing(world.side(arm)) as side:
                    for _ in range(5):
                        said.say(sure=True, tried=seq)
                        try:
                            number = side.add_entry(name, seq, f"{name} {seq}")
                        except Fenced:
                            said.say(denied=seq)
                        else:
                            said.say(sure=True, wrote=seq, id=number)
                        seq += 1
                        time.sleep(pick.uniform(0.01, 0.05))
            except Gone as error:
                seq += 1
                if not world.rough:
                    said.say(error=str(error))
                time.sleep(0.05)
