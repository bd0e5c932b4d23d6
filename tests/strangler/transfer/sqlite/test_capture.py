"""What SQLite does without telling its triggers, and is captured and fenced all the same."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from strangler.transfer import fence
from strangler.transfer.mapping import Key
from strangler.transfer.sqlite import stamp
from tests.strangler.transfer.sqlite.files import File, Open

TAG = "CREATE TABLE tag (id integer PRIMARY KEY, name text{collate} {unique}, size integer);"


def _tags(make: Open, *, unique: str = "UNIQUE", collate: str = "", more: str = "") -> File:
    file = make(TAG.format(unique=unique, collate=collate) + more, "tag")
    file.app.execute("INSERT INTO tag VALUES (1, 'a', 1), (2, 'b', 2), (3, NULL, 3)")
    file.dirty()
    return file


@pytest.mark.parametrize("recursive", ["OFF", "ON"])
@pytest.mark.parametrize(
    ("write", "keys"),
    [
        ("INSERT OR REPLACE INTO tag VALUES (1, 'x', 1)", {(1,)}),
        ("INSERT OR REPLACE INTO tag VALUES (9, 'a', 1)", {(9,), (1,)}),
        ("REPLACE INTO tag VALUES (1, 'b', 1)", {(1,), (2,)}),
        ("REPLACE INTO tag VALUES (9, NULL, 1)", {(9,)}),
        ("UPDATE OR REPLACE tag SET name = 'b' WHERE id = 1", {(1,), (2,)}),
        ("UPDATE OR REPLACE tag SET id = 2 WHERE id = 1", {(1,), (2,)}),
        ("UPDATE tag SET id = 7 WHERE id = 1", {(1,), (7,)}),
        ("DELETE FROM tag", {(1,), (2,), (3,)}),
        ("INSERT INTO tag SELECT id + 10, name || '!', 1 FROM tag", {(11,), (12,), (13,)}),
    ],
)
def test_rows_that_another_takes_the_place_of(
    make: Open, write: str, keys: set[Key], recursive: str
):
    file = _tags(make)
    file.app.execute(f"PRAGMA recursive_triggers = {recursive}")
    there = {row[0] for row in file.app.execute("SELECT id FROM tag")}
    file.app.execute(write)
    after = {row[0] for row in file.app.execute("SELECT id FROM tag")}
    assert {(number,) for number in there ^ after} <= keys
    assert file.dirty() == keys


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ("CREATE UNIQUE INDEX lowered ON tag (lower(name))", "A"),
        ("CREATE UNIQUE INDEX cut ON tag (substr(name || ',)', 1, 1), size DESC)", "a!"),
        ("CREATE UNIQUE INDEX some ON tag (name) WHERE size > 0", "a"),
        ("CREATE UNIQUE INDEX nocase ON tag (name COLLATE NOCASE)", "A"),
    ],
)
def test_other_unique_indexes(make: Open, more: str, name: str):
    file = _tags(make, unique="", more=more)
    file.app.execute("REPLACE INTO tag VALUES (9, ?, 1)", (name,))
    assert file.app.execute("SELECT id FROM tag ORDER BY id").fetchall() == [(2,), (3,), (9,)]
    assert file.dirty() == {(1,), (9,)}


def test_a_unique_value_in_another_case(make: Open):
    file = _tags(make, collate=" COLLATE NOCASE")
    file.app.execute("REPLACE INTO tag VALUES (9, 'A', 1)")
    assert file.dirty() == {(1,), (9,)}


def test_a_key_that_changes_only_its_case(make: Open):
    file = make("CREATE TABLE tag (name text COLLATE NOCASE NOT NULL PRIMARY KEY)", "tag")
    file.app.execute("INSERT INTO tag VALUES ('a')")
    file.dirty()
    file.app.execute("UPDATE tag SET name = 'A'")
    assert file.dirty() == {("a",), ("A",)}


def test_a_replaced_row_takes_its_children(make: Open):
    file = make(
        "CREATE TABLE tag (id integer PRIMARY KEY, name text UNIQUE);"
        "CREATE TABLE use (id text PRIMARY KEY, tag_id REFERENCES tag ON DELETE CASCADE)",
        "tag",
        "use",
    )
    file.app.execute("INSERT INTO tag VALUES (1, 'a')")
    file.app.execute("INSERT INTO use VALUES ('u', 1)")
    file.dirty()
    file.app.execute("REPLACE INTO tag VALUES (2, 'a')")
    assert file.dirty() == {(1,), (2,), ("u",)}


def test_tables_without_rowid_and_strict_ones(make: Open):
    file = make(
        "CREATE TABLE pair (a text NOT NULL, b blob NOT NULL, c integer UNIQUE, "
        "PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID",
        "pair",
    )
    file.app.execute("INSERT INTO pair VALUES ('x', x'00ff', 1)")
    file.app.execute("REPLACE INTO pair VALUES ('y', x'', 1)")
    assert file.dirty() == {("x", b"\x00\xff"), ("y", b"")}


def test_a_key_of_a_type_that_its_column_does_not_say_fails_nobody_s_write(make: Open):
    file = make("CREATE TABLE tag (name text NOT NULL PRIMARY KEY)", "tag")
    file.app.execute("INSERT INTO tag VALUES (x'00ff')")
    assert file.session.pending() == 1


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO tag VALUES (9, 'x', 1)",
        "INSERT OR IGNORE INTO tag VALUES (9, 'x', 1)",
        "INSERT OR IGNORE INTO tag VALUES (1, 'a', 1)",
        "INSERT OR REPLACE INTO tag VALUES (1, 'a', 1)",
        "INSERT OR FAIL INTO tag VALUES (9, 'x', 1)",
        "UPDATE OR IGNORE tag SET size = 9",
        "UPDATE OR REPLACE tag SET name = 'b'",
        "DELETE FROM tag",
    ],
)
def test_no_way_round_the_fence(make: Open, write: str):
    file = _tags(make)
    before = file.app.execute("SELECT * FROM tag").fetchall()
    with file.session.step(token=0, epoch=1) as step:
        step.fence(up=True, patience=1)
    with pytest.raises(sqlite3.IntegrityError) as caught:
        file.app.execute(write)
    assert str(caught.value).startswith(fence.PREFIX)
    assert "catalog" in str(caught.value)
    assert "monolith" in str(caught.value)
    assert file.app.execute("SELECT * FROM tag").fetchall() == before
    assert file.session.pending() == 0


def test_a_stale_reader_can_not_write_after_the_flip(make: Open):
    file = _tags(make)
    file.app.execute("BEGIN")
    file.app.execute("SELECT * FROM tag").fetchall()
    with file.session.step(token=0, epoch=1) as step:
        step.fence(up=True, patience=1)
    with pytest.raises(sqlite3.OperationalError) as caught:
        file.app.execute("DELETE FROM tag")
    assert caught.value.sqlite_errorname == "SQLITE_BUSY_SNAPSHOT"


def _writers(file: File) -> list[tuple[str, bool]]:
    with file.session.claim(100) as claim:
        return [(entry.writer, entry.door) for entry in claim.entries]


def test_a_connection_says_who_writes(make: Open):
    file = _tags(make)
    other = sqlite3.connect(file.path)
    stamp(file.app, writer="catalog.views.edit", door=True)
    file.app.execute("UPDATE tag SET size = 7 WHERE id = 1")
    stamp(file.app, writer="cron", door=False)
    file.app.execute("UPDATE tag SET size = 8 WHERE id = 1")
    with other:
        other.execute("UPDATE tag SET size = 9 WHERE id = 1")
    stamp(file.app, writer="", door=False)
    file.app.execute("UPDATE tag SET size = 7 WHERE id = 1")
    other.close()
    assert _writers(file) == [
        ("catalog.views.edit", True),
        ("cron", False),
        ("", False),
        ("", False),
    ]


def test_stamping_opens_no_transaction_and_survives_one_that_is_undone(make: Open):
    file = _tags(make)
    plain = sqlite3.connect(file.path)  # as SQLAlchemy has it: Python opens transactions
    stamp(plain, writer="a", door=True)
    stamp(plain, writer="b", door=True)
    assert not plain.in_transaction
    plain.execute("DELETE FROM tag WHERE id = 1")
    stamp(plain, writer="c", door=True)
    plain.rollback()
    stamp(plain, writer="d", door=True)
    with plain:
        plain.execute("DELETE FROM tag WHERE id = 1")
    plain.close()
    assert _writers(file) == [("d", True)]


def test_a_stamp_made_inside_a_transaction_that_is_undone_is_made_again(make: Open):
    file = _tags(make)
    file.app.execute("BEGIN")
    stamp(file.app, writer="a", door=True)
    file.app.execute("ROLLBACK")
    stamp(file.app, writer="b", door=True)
    file.app.execute("DELETE FROM tag WHERE id = 1")
    assert _writers(file) == [("b", True)]


def test_stamping_where_nothing_is_installed(tmp_path: Path):
    connection = sqlite3.connect(tmp_path / "bare.sqlite3")
    stamp(connection, writer="a", door=True)
    stamp(connection, writer="", door=False)
    connection.close()


def test_a_number_that_a_write_gives_is_its_own(make: Open):
    """``lastrowid`` is the row's, not the journal's, with a stamp or without."""
    file = _tags(make)
    for number in (50, 51):
        assert (
            file.app.execute("INSERT INTO tag VALUES (?, NULL, 1)", (number,)).lastrowid == number
        )
        stamp(file.app, writer="a", door=True)
    assert file.app.execute("UPDATE tag SET size = 1").rowcount == 5


def test_a_door_without_a_name_is_said_too(make: Open):
    file = _tags(make)
    stamp(file.app, writer="", door=True)
    file.app.execute("DELETE FROM tag WHERE id = 1")
    assert _writers(file) == [("", True)]


def test_a_connection_that_only_reads_is_left_alone(make: Open):
    file = _tags(make)
    file.app.execute("PRAGMA query_only = ON")
    stamp(file.app, writer="a", door=True)
    with pytest.raises(sqlite3.OperationalError):
        file.app.execute("DELETE FROM tag WHERE id = 1")
