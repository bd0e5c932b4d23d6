"""What a transaction says stands in the outbox in order, and not at all if it is undone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from strangler.events import outbox
from strangler.events.buses.connect import connect
from strangler.events.envelope import Unwritable, opened, partition
from strangler.events.outbox import OutboxFull, Said, said
from strangler.ports.context import Context, Trace, use
from tests.strangler.events.listening import star
from tests.strangler.events.sample import CometGone, FishCaught, StarSeen
from tests.strangler.events.speaking import Speaker


def test_versions_count_by_aggregate_in_one_batch_and_over_several(speaker: Speaker):
    one = speaker.say(StarSeen("Vega", 1))
    many = speaker.say(
        StarSeen("Sirius", 1), StarSeen("Vega", 2), CometGone(7), StarSeen("Vega", 3)
    )
    assert [said.version for said in (*one, *many)] == [1, 1, 2, 1, 3]
    rows = speaker.rows(
        'SELECT aggregatetype, aggregateid, version, "type", capability, partition '
        'FROM strangler_outbox ORDER BY "position"'
    )
    assert [row[:3] for row in rows] == [
        ("sky.star", "Vega", 1),
        ("sky.star", "Sirius", 1),
        ("sky.star", "Vega", 2),
        ("sky.comet", "7", 1),
        ("sky.star", "Vega", 3),
    ]
    assert {row[3:5] for row in rows} == {("sky.star.seen", "sky"), ("sky.comet.gone", "sky")}
    assert rows[0][5] == partition("sky.star/Vega")


def test_what_is_read_is_what_was_said(speaker: Speaker):
    trace = Trace.begin()
    with use(Context(trace=trace)):
        (published,) = speaker.say(StarSeen("Wega «é» \U0001f31f", 1, "é"))
    with closing(speaker.store()) as store:
        (found,) = store.read(range(16), 10)
    event = found.event
    assert UUID(event.id) == published.id
    assert event.version == published.version == 1
    assert opened(event) == StarSeen("Wega «é» \U0001f31f", 1, "é")
    assert event.traceparent == trace.header
    assert event.time.endswith("Z")
    age = datetime.now(UTC) - datetime.fromisoformat(event.time)
    assert timedelta(0) <= age < timedelta(minutes=5)


@pytest.mark.parametrize("key", ["", "a\x00b", "x" * 501, "\udc80"])
def test_a_key_that_no_bus_can_route_by_is_refused(key: str):
    with pytest.raises(Unwritable):
        said(StarSeen(key, 1))


def test_more_than_a_statement_holds(speaker: Speaker):
    count = outbox.CHUNK + 5
    published = speaker.say(*(StarSeen(f"star {n % 7}", n) for n in range(count)))
    assert len(published) == count
    with closing(speaker.store()) as store:
        numbers = [opened(one.event).number for one in store.read(range(16), 2 * count)]
    assert numbers == list(range(count))


def test_whoever_writes_at_the_same_time_takes_turns_by_aggregate(speaker: Speaker):
    """Positions and versions of an aggregate grow together, whatever commits when."""

    def write(number: int) -> None:
        for turn in range(15):
            names = ["Vega", "Sirius", f"own {number}"]
            speaker.say(*(StarSeen(name, turn) for name in (names if number % 2 else names[::-1])))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = speaker.rows('SELECT aggregateid, version FROM strangler_outbox ORDER BY "position"')
    for name in ("Vega", "Sirius"):
        assert [version for key, version in rows if key == name] == list(range(1, 61))


def test_a_full_outbox_refuses_and_before_that_alarms(
    speaker: Speaker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outbox, "_alarmed", -outbox._SAY_AGAIN)
    speaker.say(StarSeen("Vega", 1), limit=20)
    assert not caplog.records
    speaker.say(StarSeen("Vega", 2), StarSeen("Vega", 3), limit=20)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    with pytest.raises(OutboxFull) as refused:
        speaker.say(*(StarSeen("Vega", n) for n in range(18)), limit=20)
    assert refused.value.status == 503
    assert refused.value.answer().headers["Retry-After"] == "5"
    # Once a relay has published, and has counted, there is room again.
    with closing(speaker.store()) as store:
        leases = store.attend("somebody")
        assert store.remove(leases, [one.position for one in store.read(range(16), 99)]) == 3
        assert store.count() == 0
    assert len(speaker.say(*(StarSeen("Vega", n) for n in range(18)), limit=20)) == 18


def test_what_waits_in_the_longest_queue_of_the_http_bus_counts(speaker: Speaker):
    listeners = {"notes": ["sky"], "mail": ["sky"]}
    with closing(speaker.store()) as store:
        assert store.count(listeners) == 0, "there are no queues yet"
        speaker.say(*(StarSeen("Vega", n) for n in range(1, 21)))
        speaker.run("DELETE FROM strangler_outbox")
        consumers = ("notes", "mail", "gone")
        with connect("http", database=speaker.url, consumers=lambda _: consumers) as bus:
            bus.publish([star("Vega", n) for n in range(1, 16)])
            consumers = ("notes", "gone")
            bus.publish([star("Vega", n) for n in range(16, 21)])
        speaker.say(StarSeen("Vega", 21))
        assert store.count() == 1
        assert store.count({"notes": ["sea"], "rumour": ["sky"]}) == 1
        assert store.count({"mail": ["sky"]}) == 16
        assert store.count(listeners) == 21

    with pytest.raises(OutboxFull, match="22 events wait to be published or handed over"):
        speaker.say(StarSeen("Vega", 22), limit=21)
    speaker.say(StarSeen("Vega", 22), limit=23)
    with closing(speaker.store()) as store:
        store.unqueue("notes", "sky.star.seen")
        assert store.count(listeners) == 17


def test_what_a_relay_has_counted_is_looked_up_only_when_too_many_seem_to_wait(speaker: Speaker):
    outbox_, asked = speaker.outbox(limit=50), []  # an alarm above 5

    def say(count: int) -> None:
        with closing(speaker.connection()) as connection:

            def execute(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
                asked.append(sql == outbox.GONE)
                return list(connection.execute(sql, values).fetchall())

            connection.execute("BEGIN")
            outbox_.write(execute, [said(StarSeen("Vega", n)) for n in range(count)])
            connection.execute("COMMIT")

    def told() -> None:
        with closing(speaker.store()) as store:
            leases = store.attend("somebody")
            store.remove(leases, [one.position for one in store.read(range(16), 99)])
            store.count()

    say(5)
    assert not any(asked)
    told()
    say(45)  # of which not one too many waits
    assert asked.count(True) == 1
    told()
    say(1)
    assert asked.count(True) == 2
    say(4)
    assert asked.count(True) == 2
    with pytest.raises(OutboxFull, match="51 events wait"):
        say(46)
    # A new database by the same name, where nothing has left.
    speaker.run("DELETE FROM strangler_backlog")
    speaker.run("DELETE FROM strangler_outbox")
    sequence = "ALTER TABLE strangler_outbox ALTER position RESTART"
    speaker.run(sequence if speaker.postgres else "DELETE FROM sqlite_sequence")
    before = asked.count(True)
    say(2)
    say(2)
    assert asked.count(True) == before + 1


def test_a_row_for_debezium(speaker: Speaker):
    """The columns that EventRouter looks for by default."""
    speaker.say(FishCaught("trout"))
    (row,) = speaker.rows(
        "SELECT id, aggregatetype, aggregateid, type, payload FROM strangler_outbox"
    )
    assert row[1:] == ("sea.fish", "trout", "sea.fish.caught", '{"name":"trout"}')


def test_its_fields_are_the_columns():
    assert tuple(name for name in outbox.COLUMNS if name != "version") == Said._fields
