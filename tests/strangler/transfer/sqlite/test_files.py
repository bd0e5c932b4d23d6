"""SQLite files as they are: where they are, who writes them, what Django does to their tables."""

# ruff: noqa: S608 - names are quoted

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import DatabaseWrapper

from strangler.ladder import Arm
from strangler.transfer.database import Change
from strangler.transfer.errors import DatabaseAway, LockTimeout, ReferenceMissing, Unfit
from strangler.transfer.sqlite import SqliteDatabase, link
from tests.strangler.transfer.sqlite.files import File, Open

ROOT = Path(__file__).parents[4]
TAG = "CREATE TABLE tag (id integer PRIMARY KEY AUTOINCREMENT, name text UNIQUE)"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/a/b.sqlite3", "/a/b.sqlite3"),
        ("sqlite:////a/b c.sqlite3", "/a/b c.sqlite3"),
        ("sqlite+pysqlite:////a/b.db", "/a/b.db"),
        ("sqlite:////a/b.db?timeout=20", "/a/b.db"),
        ("sqlite:///b.db", str(Path.cwd() / "b.db")),
        ("sqlite.db", str(Path.cwd() / "sqlite.db")),
    ],
)
def test_files_are_named_by_path_or_url(given: str, path: str):
    database = SqliteDatabase(given, capability="catalog", arm=Arm.MONOLITH, tables=())
    assert str(database.path) == path


@pytest.mark.parametrize(
    "given",
    ["", ":memory:", "sqlite://", "sqlite:///:memory:", "file:memorydb?mode=memory", "sqlite:///"],
)
def test_what_is_no_file_is_refused(given: str):
    with pytest.raises(ValueError) as caught:
        SqliteDatabase(given, capability="catalog", arm=Arm.MONOLITH, tables=())
    assert "file" in str(caught.value)


def test_nothing_is_made_where_nothing_was(tmp_path: Path):
    path = tmp_path / "none.sqlite3"
    with pytest.raises(DatabaseAway):
        SqliteDatabase(str(path), capability="c", arm=Arm.MONOLITH, tables=()).session()
    assert not path.exists()
    path.write_text("this is a text, and no database at all" * 100)
    with pytest.raises(DatabaseAway):
        SqliteDatabase(str(path), capability="c", arm=Arm.MONOLITH, tables=()).session()


def test_a_claim_reads_without_keeping_a_snapshot(make: Open):
    """Else the log that all writers append to could never be emptied."""
    file = make(TAG, "tag")
    file.app.execute("INSERT INTO tag (name) VALUES ('a')")
    assert file.app.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with file.session.claim(10) as claim:
        file.session.read(file.session.inspect("tag"), ("name",), [e.key for e in claim.entries])
        file.app.execute("UPDATE tag SET name = 'b'")
        busy, _, _ = file.app.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0


def test_who_writes_for_too_long_is_not_waited_for(make: Open, monkeypatch: pytest.MonkeyPatch):
    file = make(TAG, "tag")
    monkeypatch.setattr(link, "BUSY_SECONDS", 0.2)
    with closing(file.database.session()) as session:
        file.app.execute("BEGIN IMMEDIATE")
        for use in (_step, _seize, _apply):
            with pytest.raises(LockTimeout):
                use(session)
        file.app.execute("COMMIT")
        _step(session)


def _step(session: object) -> None:
    with session.step(token=0, epoch=1):  # type: ignore[attr-defined]
        pass


def _seize(session: object) -> None:
    session.seize(3)  # type: ignore[attr-defined]


def _apply(session: object) -> None:
    with session.applying(token=0, epoch=1, keys=[]):  # type: ignore[attr-defined]
        pass


def test_a_mover_that_is_killed_while_it_writes_leaves_nothing(make: Open):
    """Above all no origin: with one left, nothing would be captured or fenced any more."""
    file = make(TAG, "tag")
    code = (
        "import sys, time\n"
        "from strangler.ladder import Arm\n"
        "from strangler.transfer.database import Change\n"
        "from strangler.transfer.sqlite import SqliteDatabase\n"
        "session = SqliteDatabase(sys.argv[1], capability='catalog', arm=Arm.MONOLITH,"
        " tables=('tag',)).session()\n"
        "with session.applying(token=0, epoch=1, keys=[]) as writer:\n"
        "    writer.write('tag', Change(('id', 'name'), [(1, 'a')]))\n"
        "    print('written', flush=True)\n"
        "    time.sleep(60)\n"
    )
    mover = subprocess.Popen(
        [sys.executable, "-c", code, file.path], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert mover.stdout is not None
    assert mover.stdout.readline() == b"written\n"
    assert file.app.execute("SELECT writing FROM strangler_origin").fetchone() == (0,)
    os.kill(mover.pid, signal.SIGKILL)
    mover.wait()
    mover.stdout.close()
    assert file.app.execute("SELECT count(*) FROM tag").fetchone() == (0,)
    file.app.execute("INSERT INTO tag (name) VALUES ('b')")
    assert file.dirty() == {(1,)}


def test_an_exception_while_writing_leaves_no_origin(make: Open):
    file = make(TAG, "tag")
    with pytest.raises(ZeroDivisionError), file.session.applying(token=0, epoch=1, keys=[]):
        raise ZeroDivisionError
    file.app.execute("INSERT INTO tag (name) VALUES ('b')")
    assert file.session.pending() == 1


def test_a_reference_that_leads_nowhere_is_named(make: Open):
    file = make(
        TAG + "; CREATE TABLE use (id integer PRIMARY KEY, tag_id integer REFERENCES tag)",
        "tag",
        "use",
    )
    with (
        pytest.raises(ReferenceMissing) as caught,
        file.session.applying(token=0, epoch=1, keys=[]) as writer,
    ):
        writer.write("use", Change(("id", "tag_id"), [(1, 7)]))
    assert caught.value.table == "use"
    assert "tag" in str(caught.value)


def test_a_restriction_acts_at_once_and_is_told(make: Open):
    file = make(
        TAG + "; CREATE TABLE use (id integer PRIMARY KEY, tag_id integer "
        "REFERENCES tag ON DELETE RESTRICT)",
        "tag",
        "use",
    )
    (reference,) = file.session.inspect("use").foreign_keys
    assert not reference.deferrable
    with file.session.applying(token=0, epoch=1, keys=[]) as writer:
        writer.write("tag", Change(("id", "name"), [(1, "a")]))
        writer.write("use", Change(("id", "tag_id"), [(1, 1)]))
    with (
        pytest.raises(ReferenceMissing),
        file.session.applying(token=0, epoch=1, keys=[]) as writer,
    ):
        writer.write("tag", Change(("id", "name"), [], [(1,)]))


def test_unique_values_move_where_checks_forbid_what_they_pass_through(make: Open):
    file = make(
        "CREATE TABLE seat (id integer PRIMARY KEY, code text NOT NULL UNIQUE "
        "CHECK (length(code) = 1), place integer NOT NULL UNIQUE CHECK (place > 0)) STRICT",
        "seat",
    )
    file.app.execute("INSERT INTO seat VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    columns = ("id", "code", "place")
    with file.session.applying(token=0, epoch=1, keys=[]) as writer:
        writer.write("seat", Change(columns, [(1, "b", 3), (2, "c", 1), (3, "a", 2)]))
    rows = file.app.execute("SELECT * FROM seat").fetchall()
    assert rows == [(1, "b", 3), (2, "c", 1), (3, "a", 2)]
    with pytest.raises(sqlite3.IntegrityError):
        file.app.execute("UPDATE seat SET place = -1")


def test_numbers_without_autoincrement_can_not_be_kept_apart(make: Open):
    file = make("CREATE TABLE tag (id integer PRIMARY KEY, name text)", "tag")
    file.app.execute("INSERT INTO tag VALUES (7, 'a')")
    session = file.session
    assert session.inspect("tag").columns["id"].sequence == "tag"
    assert session.last_number("tag", "id") == 7
    with session.step(token=0, epoch=1) as step:
        step.number_from("tag", "id", 7)
        with pytest.raises(Unfit) as caught:
            step.number_from("tag", "id", 8)
    assert "AUTOINCREMENT" in str(caught.value)


def test_keys_with_fractions_are_unfit(make: Open):
    with pytest.raises(Unfit) as caught:
        make("CREATE TABLE tag (weight real NOT NULL PRIMARY KEY)", "tag")
    assert "weight" in str(caught.value)


@pytest.mark.parametrize("name", ['we"ird', "it's", "order", "two words"])
def test_names_of_any_kind(make: Open, name: str):
    quoted = '"' + name.replace('"', '""') + '"'
    file = make(
        f"CREATE TABLE {quoted} (id integer PRIMARY KEY, {quoted} text UNIQUE, at datetime)", name
    )
    file.app.execute(f"REPLACE INTO {quoted} VALUES (1, 'a', NULL)")
    file.app.execute(f"REPLACE INTO {quoted} VALUES (2, 'a', NULL)")
    assert file.dirty() == {(1,), (2,)}
    with file.session.applying(token=0, epoch=1, keys=[]) as writer:
        writer.write(name, Change(("id", name), [(1, "a"), (2, "b")]))
    table = file.session.inspect(name)
    assert [key for key, _ in file.session.chunk(table, (name,), None, 9)] == [(1,), (2,)]
    assert file.session.missing() == []
    file.session.remove()
    left = file.app.execute(
        "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name NOT LIKE '%never%'"
    )
    assert {table for (table,) in left} == {"strangler_heartbeat"}


class Book(models.Model):
    """As Django makes it on SQLite; not of any app that is installed."""

    title = models.CharField(max_length=50, unique=True)
    tags = models.JSONField(default=dict)
    price = models.DecimalField(max_digits=12, decimal_places=2)
    ref = models.UUIDField()
    made = models.DateTimeField()
    took = models.DurationField(null=True)

    class Meta:
        app_label = "strangler_sample"
        db_table = "book"

    def __str__(self) -> str:
        return self.title


@pytest.fixture
def book(tmp_path: Path) -> Iterator[BaseDatabaseWrapper]:
    default = settings.DATABASES["default"]
    made = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "book.sqlite3"),
        "OPTIONS": {},
    }
    connections["book"] = DatabaseWrapper({**default, **made}, alias="book")
    yield connections["book"]
    del connections["book"]


def test_triggers_are_there_again_after_django_has_altered_a_table(
    book: BaseDatabaseWrapper, django_db_blocker: Callable[..., object]
):
    with django_db_blocker.unblock(), closing(book):  # type: ignore[attr-defined]
        with book.schema_editor() as editor:
            editor.create_model(Book)
        path = book.settings_dict["NAME"]
        database = SqliteDatabase(path, capability="c", arm=Arm.MONOLITH, tables=("book",))
        with closing(database.session()) as session:
            session.install(owner=Arm.MONOLITH, epoch=1)
            with session.step(token=0, epoch=1) as step:
                step.capture(on=True, patience=1)
            kinds = {name: one.kind.value for name, one in session.inspect("book").columns.items()}
            assert kinds == {
                "id": "integer", "title": "text", "tags": "json", "price": "decimal",
                "ref": "uuid", "made": "moment", "took": "integer",
            }  # fmt: skip
            old, new = Book._meta.get_field("title"), models.CharField(max_length=60, unique=True)
            new.set_attributes_from_name("title")
            new.model = Book
            with book.schema_editor() as editor:
                editor.alter_field(Book, old, new)  # type: ignore[arg-type]
                editor.add_field(Book, _field("pages"))
            assert session.missing()
            session.install(owner=Arm.MONOLITH, epoch=1)
            assert session.missing() == []
            with book.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO book (title, tags, price, ref, made) VALUES (?, '{}', 1, ?, ?)"
                    .replace("?", "%s"), ["a", "0" * 32, "2026-02-03 04:05:06"],
                )  # fmt: skip
            assert session.pending() == 1


def _field(name: str) -> models.Field[int | None, int | None]:
    field = models.IntegerField(null=True)
    field.set_attributes_from_name(name)
    field.model = Book
    return field


def test_two_capabilities_in_one_file_leave_each_other_alone(make: Open):
    file = make(TAG + "; CREATE TABLE other (id integer PRIMARY KEY)", "tag")
    others = SqliteDatabase(
        str(file.path), capability="catalog_extra", arm=Arm.MONOLITH, tables=("other",)
    )
    with closing(others.session()) as session:
        session.install(owner=Arm.MONOLITH, epoch=1)
        with session.step(token=0, epoch=1) as step:
            step.capture(on=True, patience=1)
        file.app.execute("INSERT INTO other VALUES (1)")
        file.app.execute("INSERT INTO tag (name) VALUES ('a')")
        session.beat(1)
        assert (file.session.pending(), session.pending()) == (1, 2)
        file.session.remove()
        assert session.missing() == []
        file.app.execute("INSERT INTO other VALUES (2)")
        assert session.pending() == 3


def test_a_door_says_which_process_keeps_it(make: Open):
    file = make(TAG, "tag")
    code = (
        "import sys, time\n"
        "from strangler.ladder import Arm\n"
        "from strangler.transfer.sqlite import SqliteDoor\n"
        "door = SqliteDoor(sys.argv[1], capability='catalog', arm=Arm.MONOLITH)\n"
        "with door.entered(deadline=time.monotonic() + 9):\n"
        "    print('inside', flush=True)\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, file.path], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"inside\n"
    with pytest.raises(LockTimeout) as caught:
        file.session.close_door(patience=0.1)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert str(holder.pid) in str(caught.value)
    file.session.close_door(patience=1)


def test_what_dead_tokens_leave_is_cleared(make: Open):
    file = make(TAG, "tag")
    for token in (1, 2, 3):
        file.session.seize(token)
        file.session.close_door(patience=1)
        file.session.open_door()
    folder = file.path.with_name(file.path.name + ".strangler")
    assert sorted(path.name for path in folder.iterdir()) == ["catalog.gate.3", "catalog.hold"]
    file.session.remove()
    assert list(folder.iterdir()) == []


def _tag(file: File) -> list[tuple[int, str]]:
    return file.app.execute("SELECT * FROM tag ORDER BY id").fetchall()


def test_many_writers_lose_nothing(make: Open, tmp_path: Path):
    """Applications write while two movers carry; in the end both sides are the same."""
    from tests.strangler.transfer.sqlite.files import opened

    source = make(TAG, "tag")
    with opened(tmp_path / "target.sqlite3", TAG, "tag", arm=Arm.SERVICE) as target:
        target.install()
        writers = [threading.Thread(target=_use, args=(source.path, n)) for n in range(2)]
        movers = [threading.Thread(target=_carry, args=(source, target, writers)) for _ in range(2)]
        for thread in (*writers, *movers):
            thread.start()
        for thread in (*writers, *movers):
            thread.join(60)
        assert source.session.pending() == 0
        assert len(_tag(source)) > 5
        assert _tag(source) == _tag(target)


def _use(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as app:
        for place in range(1, 51):
            app.execute("INSERT INTO tag (name) VALUES (?)", (f"{number}-{place}",))
            app.execute("UPDATE tag SET name = name || '!' WHERE id % 7 = ?", (place % 7,))
            app.execute("DELETE FROM tag WHERE id % 11 = ?", (number,))
            time.sleep(0.001)  # or SQLite lets nobody else in


def _carry(source: File, target: File, writers: list[threading.Thread]) -> None:
    with closing(source.database.session()) as here, closing(target.database.session()) as there:
        table = here.inspect("tag")
        while any(writer.is_alive() for writer in writers) or here.pending():
            with here.claim(50) as claim:
                keys = {entry.key for entry in claim.entries}
                if not keys:
                    time.sleep(0.005)
                    continue
                with there.applying(token=0, epoch=1, keys=[]) as writer:
                    rows = here.read(table, ("id", "name"), keys)
                    change = Change(("id", "name"), [tuple(row.values()) for row in rows.values()])
                    change.gone = [key for key in keys if key not in rows]
                    writer.write("tag", change)


def test_references_that_are_checked_at_once_wait_for_the_end_too(make: Open):
    file = make(
        TAG + "; CREATE TABLE use (id integer PRIMARY KEY, tag_id integer REFERENCES tag)",
        "tag",
        "use",
    )
    with file.session.applying(token=0, epoch=1, keys=[]) as writer:
        writer.write("use", Change(("id", "tag_id"), [(1, 7)]))
        writer.write("tag", Change(("id", "name"), [(7, "a")]))
    assert file.app.execute("SELECT tag_id FROM use").fetchall() == [(7,)]
