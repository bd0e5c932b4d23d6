"""One side as its application sees it: a connection, and the statements that it runs there.

It knows nothing of the kit. What the two sides call the same things differs; so do the words of the
two kinds of database, in a few places.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from strangler.ladder import Arm
from strangler.transfer import fence
from strangler.transfer.sqlite.link import file_of

_MONOLITH = {
    "box": "shop_box", "name": "name", "parent": "parent_id",
    "slot": "shop_slot", "number": "id", "tag": "label",
    "counter": "shop_counter", "total": "value",
    "entry": "shop_entry", "author": "writer", "words": "said",
    "keys": "shop_key",
}  # fmt: skip
_SERVICE = {
    "box": "box", "name": "title", "parent": "parent",
    "slot": "slot", "number": "number", "tag": "tag",
    "counter": "counter", "total": "total",
    "entry": "entry", "author": "author", "words": "words",
    "keys": "idempotency_key",
}  # fmt: skip

Item = tuple[int, int, str]
"""Its box, its price in cents, its note."""


class Fenced(Exception):
    """The fence has refused a write; nothing was written."""


class Gone(Exception):
    """The connection broke off, or the server has gone: nobody knows what was committed."""


class Side(ABC):
    """A connection, in autocommit mode."""

    begin = "BEGIN"

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self._words = _MONOLITH if arm is Arm.MONOLITH else _SERVICE

    @abstractmethod
    def run(self, sql: str, *values: object) -> list[Any]:
        """Execute; ``?`` stands for a value.

        Raises:
            Fenced, Gone: it was not executed, or perhaps.
        """

    @abstractmethod
    def many(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Execute once for each row."""

    @abstractmethod
    def copy(self, table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Write them by whatever is the fastest way."""

    @abstractmethod
    def close(self) -> None: ...

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.run(self.begin)
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            with suppress(Fenced, Gone, psycopg.Error, sqlite3.Error):
                self.run("ROLLBACK")
            raise

    def said(self, sql: str) -> str:
        return sql.format(**self._words)

    def do(self, sql: str, *values: object) -> list[Any]:
        """Execute, with the words of this side."""
        return self.run(self.said(sql), *values)

    def first_time(self, key: str) -> str | None:
        """None where a command of this key was never executed, or else what was answered."""
        made = self.do(
            "INSERT INTO {keys} (key, answer) VALUES (?, '') ON CONFLICT (key) DO NOTHING"
            " RETURNING 1",
            key,
        )
        if made:
            return None
        return str(self.do("SELECT answer FROM {keys} WHERE key = ?", key)[0][0])

    def remember(self, key: str, answer: str) -> None:
        self.do("UPDATE {keys} SET answer = ? WHERE key = ?", answer, key)

    def add_box(self, name: str, parent: int | None) -> int:
        rows = self.do(
            "INSERT INTO {box} ({name}, {parent}) VALUES (?, ?) RETURNING id", name, parent
        )
        return int(rows[0][0])

    def drop_box(self, box: int) -> None:
        """And what is in it: no database does that for us."""
        if self.arm is Arm.MONOLITH:
            self.run("DELETE FROM shop_item WHERE box_id = ?", box)
        else:
            self.run("DELETE FROM price WHERE sku IN (SELECT sku FROM item WHERE box = ?)", box)
            self.run("DELETE FROM item WHERE box = ?", box)
        self.do("UPDATE {box} SET {parent} = NULL WHERE {parent} = ?", box)
        self.do("DELETE FROM {box} WHERE id = ?", box)

    def put_item(self, sku: str, box: int, cents: int, note: str) -> None:
        if self.arm is Arm.MONOLITH:
            self.run(
                "INSERT INTO shop_item (sku, box_id, amount, note) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (sku) DO UPDATE SET box_id = excluded.box_id,"
                " amount = excluded.amount, note = excluded.note",
                sku, box, f"{cents / 100:.2f}", note,
            )  # fmt: skip
            return
        self.run(
            "INSERT INTO item (sku, box, note) VALUES (?, ?, ?) ON CONFLICT (sku)"
            " DO UPDATE SET box = excluded.box, note = excluded.note",
            sku, box, note,
        )  # fmt: skip
        self.run(
            "INSERT INTO price (sku, minor) VALUES (?, ?) ON CONFLICT (sku)"
            " DO UPDATE SET minor = excluded.minor",
            sku, cents,
        )  # fmt: skip

    def rename_item(self, old: str, new: str) -> None:
        if self.arm is Arm.MONOLITH:
            self.run("UPDATE shop_item SET sku = ? WHERE sku = ?", new, old)
        else:
            self.run("UPDATE item SET sku = ? WHERE sku = ?", new, old)
            self.run("UPDATE price SET sku = ? WHERE sku = ?", new, old)

    def drop_item(self, sku: str) -> None:
        if self.arm is Arm.MONOLITH:
            self.run("DELETE FROM shop_item WHERE sku = ?", sku)
        else:
            self.run("DELETE FROM item WHERE sku = ?", sku)
            self.run("DELETE FROM price WHERE sku = ?", sku)

    def add_entry(self, author: str, seq: int, words: str) -> int:
        rows = self.do(
            "INSERT INTO {entry} ({author}, seq, {words}) VALUES (?, ?, ?) RETURNING id",
            author, seq, words,
        )  # fmt: skip
        return int(rows[0][0])

    def bulk_entries(self, rows: Sequence[tuple[str, int, str]]) -> None:
        self.many(self.said("INSERT INTO {entry} ({author}, seq, {words}) VALUES (?, ?, ?)"), rows)

    def copy_entries(self, rows: Sequence[tuple[str, int, str]]) -> None:
        self.copy(self._words["entry"], self.said("{author}, seq, {words}"), rows)

    def amend_entries(self, author: str, first: int, last: int, words: str) -> None:
        """One statement over many rows."""
        self.do(
            "UPDATE {entry} SET {words} = ? WHERE {author} = ? AND seq >= ? AND seq < ?",
            words, author, first, last,
        )  # fmt: skip

    def swap(self, one: int, other: int) -> None:
        """Their unique labels."""
        first, second = sorted((one, other))
        query = "SELECT {number}, {tag} FROM {slot} WHERE {number} IN (?, ?) ORDER BY {number}"
        tags = dict(self.do(f"{query}{self.locking}", first, second))
        update = "UPDATE {slot} SET {tag} = ?, version = version + 1 WHERE {number} = ?"
        self.do("UPDATE {slot} SET {tag} = ? WHERE {number} = ?", f"in the air {first}", first)
        self.do(update, tags[first], second)
        self.do(update, tags[second], first)

    locking = ""

    def count(self, counter: int) -> None:
        self.do("UPDATE {counter} SET {total} = {total} + 1 WHERE {number} = ?", counter)

    def items(self) -> dict[str, Item]:
        if self.arm is Arm.MONOLITH:
            rows = self.run("SELECT sku, box_id, amount, note FROM shop_item")
            return {sku: (box, round(float(amount) * 100), note) for sku, box, amount, note in rows}
        rows = self.run("SELECT sku, box, minor, note FROM item JOIN price USING (sku)")
        return {sku: (box, minor, note) for sku, box, minor, note in rows}

    def boxes(self) -> dict[int, tuple[str, int | None]]:
        return {
            row[0]: (row[1], row[2]) for row in self.do("SELECT id, {name}, {parent} FROM {box}")
        }

    def entries(self) -> list[tuple[str, int, str, int]]:
        return [tuple(row) for row in self.do("SELECT {author}, seq, {words}, id FROM {entry}")]

    def slots(self) -> dict[int, tuple[str, int]]:
        rows = self.do("SELECT {number}, {tag}, version FROM {slot}")
        return {number: (tag, version) for number, tag, version in rows}

    def counters(self) -> dict[int, int]:
        return dict(self.do("SELECT {number}, {total} FROM {counter}"))

    def keys(self) -> dict[str, str]:
        rows = self.do("SELECT key, answer FROM {keys}")
        return {str(key).replace("-", ""): answer for key, answer in rows}


class PostgresSide(Side):
    """By psycopg."""

    locking = " FOR UPDATE"

    def __init__(self, arm: Arm, url: str) -> None:
        super().__init__(arm)
        try:
            self.connection = psycopg.connect(
                url, autocommit=True, connect_timeout=5, prepare_threshold=None
            )
        except psycopg.Error as error:
            raise Gone(str(error)) from error

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if error.sqlstate == fence.SQLSTATE:
                raise Fenced(str(error)) from error
            state = error.sqlstate or ""
            if self.connection.broken or state.startswith(("57P", "08")):
                raise Gone(str(error)) from error
            raise

    def run(self, sql: str, *values: object) -> list[Any]:
        with self._said():
            cursor = self.connection.execute(sql.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else []

    def many(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        with self._said(), self.connection.cursor() as cursor:
            cursor.executemany(sql.replace("?", "%s"), rows)

    def copy(self, table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
        statement = f"COPY {table} ({columns}) FROM STDIN"
        with self._said(), self.connection.cursor() as cursor, cursor.copy(statement) as put:
            for row in rows:
                put.write_row(row)

    def close(self) -> None:
        with suppress(psycopg.Error):
            self.connection.close()


class SqliteSide(Side):
    """By the standard library's driver."""

    begin = "BEGIN IMMEDIATE"

    def __init__(self, arm: Arm, url: str) -> None:
        super().__init__(arm)
        path = file_of(url)
        self.connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute("PRAGMA foreign_keys = ON")

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            if str(error).startswith(fence.PREFIX):
                raise Fenced(str(error)) from error
            raise

    def run(self, sql: str, *values: object) -> list[Any]:
        with self._said():
            return self.connection.execute(sql, values).fetchall()

    def many(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        with self._said():
            self.connection.executemany(sql, rows)

    def copy(self, table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
        marks = ", ".join("?" * len(rows[0]))
        self.many(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608 - our own

    def close(self) -> None:
        self.connection.close()


def sqlite_file(path: Path) -> str:
    """The URL of a file, which is made."""
    sqlite3.connect(path).close()
    return f"sqlite:///{path}"
