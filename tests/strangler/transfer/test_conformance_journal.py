"""What both kinds of database promise: capture, claims, parked keys and the canary row."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from strangler.ladder import Arm
from strangler.transfer.database import HEARTBEAT, Change, Parked, Session
from strangler.transfer.mapping import Key
from tests.strangler.transfer.sides import Side, SqliteSide

COMPOSED = "INSERT INTO line (box, place) VALUES (1, 1), (1, 2), (2, 1)"


def _dirty(session: Session) -> list[tuple[str, Key]]:
    """What is dirty now, forgotten by that."""
    with session.claim(1000) as claim:
        entries = list(claim.entries)
    return sorted({(entry.table, entry.key) for entry in entries}, key=repr)


@pytest.mark.parametrize(
    ("write", "keys"),
    [
        ("INSERT INTO label VALUES ('x', NULL), ('y', NULL)", [("x",), ("y",)]),
        ("INSERT INTO label SELECT 'n' || name, colour FROM label", [("na",), ("nb",)]),
        ("UPDATE label SET colour = 'red'", [("a",), ("b",)]),
        ("UPDATE label SET name = 'c' WHERE name = 'a'", [("a",), ("c",)]),
        ("DELETE FROM label WHERE name = 'b'", [("b",)]),
        ("DELETE FROM label", [("a",), ("b",)]),
        (
            "INSERT INTO label VALUES ('a', 'x') ON CONFLICT (name) DO UPDATE SET colour = 'x'",
            [("a",)],
        ),
        ("UPDATE label SET colour = 'red' WHERE false", []),
    ],
)
def test_every_write_makes_its_keys_dirty(side: Side, write: str, keys: list[Key]):
    app = side.application()
    app.run("INSERT INTO label VALUES ('a', NULL), ('b', NULL)")
    session = side.installed()
    app.run(write)
    assert _dirty(session) == [("label", key) for key in keys]


def test_cascades_make_dirty_what_they_take(side: Side):
    app = side.application()
    app.run(
        "CREATE TABLE child (id integer PRIMARY KEY, "
        "name varchar(40) REFERENCES label (name) ON DELETE CASCADE)"
    )
    app.run("INSERT INTO label VALUES ('a', NULL)")
    app.run("INSERT INTO child VALUES (7, 'a')")
    session = side.installed(tables=("label", "child"))
    app.run("DELETE FROM label")
    assert _dirty(session) == [("child", (7,)), ("label", ("a",))]


def test_what_is_undone_was_never_dirty(side: Side):
    session, app = side.installed(), side.application()
    with suppress(ZeroDivisionError), app.transaction():
        app.run(COMPOSED)
        raise ZeroDivisionError
    assert session.pending() == 0


def test_keys_of_every_kind_come_back_as_they_are(side: Side):
    session, app = side.installed(), side.application()
    names = ["plain", "a/b", 'a"b', "a\\b", "Grüße 😀", "tab\tnew\nline\x01\x1f\x7f", "  ", "[1]"]
    for name in names:
        app.run("INSERT INTO label VALUES (?, NULL)", name)
    app.run(COMPOSED)
    ref = UUID("0d5ab3f7-0a5f-4b3e-9f11-5d1f5a3c0b11")
    app.run("INSERT INTO thing (ref) VALUES (?)", ref.hex)
    app.add_item(2**40)
    wanted: list[tuple[str, Key]] = [("label", (name,)) for name in names]
    wanted += [("line", (1, 1)), ("line", (1, 2)), ("line", (2, 1))]
    wanted += [("thing", (ref,)), ("item", (2**40,))]
    for table in ("label", "line", "thing", "item"):
        keys = [key for name, key in wanted if name == table]
        assert session.dirty(table, keys) == set(keys)
    assert _dirty(session) == sorted(wanted, key=repr)


def test_dirty_tells_which(side: Side):
    session, app = side.installed(), side.application()
    app.run(COMPOSED)
    assert session.dirty("line", {(1, 1), (9, 9)}) == {(1, 1)}
    assert session.dirty("line", []) == set()
    assert session.dirty("label", [("x",)]) == set()


def test_nothing_is_dirty_where_nothing_is_captured(side: Side):
    session, app = side.installed(), side.application()
    with session.step(token=0, epoch=1) as step:
        step.capture(on=False, patience=5)
    app.run(COMPOSED)
    assert session.pending() == 0
    assert session.oldest() is None
    with session.step(token=0, epoch=1) as step:
        step.capture(on=True, patience=5)
    app.run("DELETE FROM line")
    assert session.pending() == 3


def test_an_entry_says_when(side: Side):
    session, app = side.installed(), side.application()
    app.run("INSERT INTO label VALUES ('x', NULL)")
    with session.claim(10) as claim:
        (entry,) = claim.entries
    assert abs(datetime.now(UTC) - entry.at) < timedelta(seconds=20)
    assert not entry.door
    app.run("INSERT INTO label VALUES ('y', NULL)")
    time.sleep(0.05)
    age = session.oldest()
    assert age is not None
    assert 0.04 < age < 20


def test_a_claim_is_forgotten_only_without_an_exception(side: Side):
    session, app = side.installed(), side.application()
    app.run(COMPOSED)
    with suppress(ZeroDivisionError), session.claim(10) as claim:
        assert len(claim.entries) == 3
        raise ZeroDivisionError
    assert session.pending() == 3
    with session.claim(2) as claim:
        first = [entry.key for entry in claim.entries]
        assert session.pending() == 3
    assert len(first) == 2
    assert session.pending() == 1
    with session.claim(2) as claim:
        assert [entry.key for entry in claim.entries] not in (first[:1], first[1:])
    assert session.pending() == 0


def test_claims_come_oldest_first(side: Side):
    session, app = side.installed(), side.application()
    for name in "cab":
        app.run("INSERT INTO label VALUES (?, NULL)", name)
    with session.claim(2) as claim:
        assert [entry.key for entry in claim.entries] == [("c",), ("a",)]


def test_two_claims_share_no_entry(side: Side):
    session, other, app = side.installed(), side.session(), side.application()
    app.run(COMPOSED)
    with session.claim(2) as claim, other.claim(10) as second:
        assert not {entry.id for entry in claim.entries} & {entry.id for entry in second.entries}
        assert other.pending() == 3
    with other.claim(10) as second:
        pass
    assert session.pending() == 0


def test_a_claim_whose_connection_is_gone_is_free(side: Side):
    session, other, app = side.installed(), side.session(), side.application()
    app.run(COMPOSED)
    with suppress(ZeroDivisionError), session.claim(10):
        session.close()
        raise ZeroDivisionError
    assert _claimed(other) == 3


def _claimed(session: Session) -> int:
    """How many entries are free, once the server knows that whoever had them is gone."""
    deadline = time.monotonic() + 20
    while True:
        with session.claim(10) as claim:
            count = len(claim.entries)
        if count or time.monotonic() > deadline:
            return count
        time.sleep(0.01)


def test_what_is_written_meanwhile_stays_dirty_and_is_read(side: Side):
    """The claim reads rows as they are after it; a younger entry of the same key outlives it."""
    session, app = side.installed(), side.application()
    table = session.inspect("label")
    app.run("INSERT INTO label VALUES ('x', 'old')")
    with session.claim(10) as claim:
        app.run("UPDATE label SET colour = 'new'")
        keys = [entry.key for entry in claim.entries]
        assert session.read(table, ("colour",), keys) == {("x",): {"colour": "new"}}
    assert session.pending() == 1


def test_keys_are_called_dirty_by_hand(side: Side):
    session, app = side.installed(), side.application()
    app.run("INSERT INTO label VALUES ('x', 'old')")
    assert _dirty(session)
    with session.step(token=0, epoch=1) as step:
        step.enqueue("label", [("x",), ("gone",)])
        step.enqueue("line", [])
    assert _dirty(session) == [("label", ("gone",)), ("label", ("x",))]


@pytest.mark.parametrize("table", ["label", "line", "thing", "item"])
def test_chunks_call_every_key_dirty_once(side: Side, table: str):
    app = side.application()
    for number in range(1, 8):
        app.run("INSERT INTO label VALUES (?, NULL)", chr(64 + number * 7))
        app.run("INSERT INTO line (box, place) VALUES (?, ?)", number // 3, number)
        app.run("INSERT INTO thing (ref) VALUES (?)", UUID(int=number << 100).hex)
        app.add_item(number * 3)
    session = side.installed()
    after, rounds = None, 0
    while True:
        with session.step(token=0, epoch=1) as step:
            after = step.enqueue_chunk(table, after, 3)
        if after is None:
            break
        rounds += 1
        assert rounds < 9
    described = session.inspect(table)
    all_keys = [key for key, _ in session.chunk(described, described.key, None, 100)]
    assert session.pending() == 7
    assert session.dirty(table, all_keys) == set(all_keys)
    keys: list[Key] = []
    while session.pending():
        with session.claim(100) as claim:
            keys += [entry.key for entry in claim.entries]
            assert {entry.table for entry in claim.entries} == {table}
    assert sorted(keys, key=repr) == sorted(all_keys, key=repr)
    assert len(keys) == 7


def test_the_journal_is_emptied(side: Side):
    session, app = side.installed(), side.application()
    app.run(COMPOSED)
    _park(session, "line", (1, 1))
    with session.step(token=0, epoch=1) as step:
        step.empty_journal()
    assert session.pending() == 0
    assert session.count_parked() == 0


def _park(session: Session, table: str, *keys: Key) -> list[Parked]:
    at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    parked = [
        Parked(table, key, f"it is {place}", at + timedelta(seconds=place))
        for place, key in enumerate(keys)
    ]
    with session.step(token=0, epoch=1) as step:
        step.park(parked)
    return parked


def test_parked_keys_are_remembered_and_come_back(side: Side):
    session, app = side.installed(), side.application()
    app.run(COMPOSED)
    app.run("UPDATE line SET amount = 2 WHERE place = 2")
    lines = _park(session, "line", (1, 2), (2, 1))
    labels = _park(session, "label", ("x",))
    assert session.pending() == 1
    assert session.count_parked() == 3
    assert sorted(session.parked(), key=repr) == sorted(lines + labels, key=repr)
    assert len(session.parked(2)) == 2
    assert session.dirty("line", [(1, 1), (1, 2), (2, 2)]) == {(1, 1), (1, 2)}
    with session.step(token=0, epoch=1) as step:
        assert step.unpark("line") == 2
    assert session.parked() == labels
    assert _dirty(session) == [("line", (1, 1)), ("line", (1, 2)), ("line", (2, 1))]
    with session.step(token=0, epoch=1) as step:
        assert step.unpark() == 1
        assert step.unpark() == 0
    assert _dirty(session) == [("label", ("x",))]


def test_parking_again_keeps_the_last_reason(side: Side):
    session = side.installed()
    _park(session, "label", ("x",), ("x",))
    assert [one.reason for one in session.parked()] == ["it is 1"]


def test_the_heart_beats(side: Side, service: SqliteSide):
    session = side.installed()
    other = service.installed(arm=Arm.SERVICE)
    assert session.heard() is None
    session.beat(1)
    session.beat(2)
    assert _dirty(session) == [(HEARTBEAT, ("catalog",))]
    table = session.inspect(HEARTBEAT)
    row = session.read(table, ("capability", "beat", "at"), [("catalog",)])["catalog",]
    with other.applying(token=0, epoch=1, keys=[(HEARTBEAT, ("catalog",))]) as writer:
        writer.write(HEARTBEAT, Change(tuple(row), [tuple(row.values())]))
    heard = other.heard()
    assert heard is not None
    assert heard[0] == 2
    assert 0 <= heard[1] < 20
    assert other.pending() == 0


def test_the_mover_s_own_writes_are_no_echo_and_pass_the_fence(side: Side):
    session, app = side.installed(), side.application()
    with session.step(token=0, epoch=1) as step:
        step.fence(up=True, patience=5)
    with session.applying(token=0, epoch=1, keys=[("label", ("x",))]) as writer:
        writer.write("label", Change(("name", "colour"), [("x", "red")]))
        writer.write("label", Change(("name", "colour"), [("x", "blue")]))
        writer.write("label", Change(("name", "colour"), [], [("x",)]))
    assert session.pending() == 0
    assert app.refuses("INSERT INTO label VALUES ('y', NULL)")
    with session.step(token=0, epoch=1) as step:
        step.fence(up=False, patience=5)
    app.run("INSERT INTO label VALUES ('y', NULL)")
    assert session.pending() == 1


def test_a_door_knows_how_far_the_other_side_has_come(side: Side):
    """Parked keys have not been applied either, but nobody can wait for them."""
    door = side.door()
    assert door.position() == 0
    assert door.applied(0)
    session, app = side.installed(), side.application()
    app.run("INSERT INTO label VALUES ('a', NULL)")
    first = door.position()
    app.run("INSERT INTO label VALUES ('b', NULL)")
    second = door.position()
    assert first < second
    assert not door.applied(first)
    with session.claim(1):
        assert not door.applied(first)
    assert door.applied(first)
    assert not door.applied(second)
    assert _dirty(session)
    assert door.applied(second)
    assert door.position() >= second
