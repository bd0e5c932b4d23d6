"""One trouble at a time, while rows flow or change owner."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace

import psycopg
import pytest

from strangler.ladder import Arm
from strangler.transfer import mover as production
from strangler.transfer.apply import Flow
from strangler.transfer.database import Session
from strangler.transfer.errors import DatabaseAway, SwitchRefused, TransferError, Unfit
from strangler.transfer.mover import Mover
from strangler.transfer.protocol import Action
from strangler.transfer.settle import Heard, settle
from strangler.transfer.switch import Switch
from tests.chaos import checker
from tests.chaos.servers import Durable, Wire
from tests.chaos.side import Fenced, Side
from tests.chaos.world import CAPABILITY, MAPS, World, flowing, mend
from tests.strangler.transfer.desk import Desk
from tests.strangler.transfer.speaking import PARK, QUEUE, make_tables, say

postgres = pytest.mark.parametrize("kind", [pytest.param("postgres", marks=pytest.mark.postgres)])
plain = pytest.mark.parametrize("world", [{}], indirect=True, ids=[""])


@dataclass
class Held:
    flow: Flow
    desk: Desk
    sides: dict[Arm, Session]

    def switch(
        self,
        budget: float = 5.0,
        patience: float = 5.0,
        heard: Heard = lambda _: True,
    ) -> None:
        settle(self.flow, self.desk, heard=heard, patience=patience)
        Switch(self.flow, self.desk, budget=budget).perform()

    def drain(self) -> None:
        while self.flow.source.pending():
            self.flow.batch()


@contextmanager
def held(world: World) -> Iterator[Held]:
    """The lease and the flow, as whoever switches has them."""
    mend(world)
    desk = world.desk
    desk.take()
    try:
        with world.sessions() as sides:
            for session in sides.values():
                session.seize(desk.token)
            yield Held(flowing(world, sides, desk), desk, sides)
    finally:
        desk.release()


@contextmanager
def moving(world: World) -> Iterator[Desk]:
    """The production mover at work, in a thread, reporting often; gives its desk."""
    stop, desk = threading.Event(), world.desk
    mover = Mover(
        CAPABILITY, MAPS, monolith=world.database(Arm.MONOLITH),
        service=world.database(Arm.SERVICE), control=desk, installed=lambda: True,
    )  # fmt: skip
    thread = threading.Thread(target=mover.run, args=(stop,))
    with pytest.MonkeyPatch.context() as often:
        for name in ("WAIT", "EVERY", "TROUBLED"):
            often.setattr(production, name, 0.1)
        thread.start()
        try:
            yield desk
        finally:
            stop.set()
            thread.join()


def until(holds: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def same(world: World) -> None:
    """All is carried, and both sides are the same."""
    checker.drain(world)
    assert checker.check(world, [], []).apart == []


@pytest.fixture
def monolith(world: World) -> Iterator[Side]:
    with closing(world.side(Arm.MONOLITH)) as side:
        yield side


@pytest.fixture
def service(world: World) -> Iterator[Side]:
    with closing(world.side(Arm.SERVICE)) as side:
        yield side


FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device'
    USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON entry FOR EACH STATEMENT EXECUTE FUNCTION full_disk();
ALTER TABLE entry ENABLE ALWAYS TRIGGER full_disk
"""


@postgres
@plain
def test_a_full_disk_stops_the_flow_and_nothing_is_parked(
    world: World, monolith: Side, service: Side
):
    """The disk is not: a trigger of the target says what the server says when it is."""
    service.run(FULL)
    monolith.add_entry("a", 1, "kept")
    with held(world) as ours:
        with pytest.raises(DatabaseAway, match="No space left"):
            ours.drain()
        assert ours.flow.source.pending() == 1
        assert ours.flow.source.count_parked() == 0
        with pytest.raises(DatabaseAway, match="No space left"):
            ours.switch()
    monolith.add_entry("a", 2, "the owner goes on")
    service.run("DROP TRIGGER full_disk ON entry")
    same(world)
    assert sorted(row[1] for row in service.entries()) == [1, 2]


@postgres
@plain
def test_a_target_that_starts_again_gets_what_it_missed(
    world: World, monolith: Side, service_server: Durable
):
    with moving(world) as desk:
        for seq in range(200):
            monolith.add_entry("a", seq, "x")
            if seq == 100:
                service_server.kill()
        until(lambda: desk.reports and desk.reports[-1].pending == 0 and world.settled())
    same(world)
    with closing(world.side(Arm.SERVICE)) as service:
        assert len(service.entries()) == 200


@postgres
@plain
def test_a_network_that_is_cut_for_longer_than_the_budget_undoes_the_switch(
    world: World, monolith: Side, service_server: Durable
):
    wire = Wire(service_server.port)
    far = replace(
        world, service=world.service.replace(f":{service_server.port}/", f":{wire.port}/")
    )
    try:
        with suppress(TransferError), held(far) as ours:
            performed = Switch(ours.flow, ours.desk, budget=0.5, report=lambda action: (
                wire.cut() if action is Action.DRAIN else None
            ))  # fmt: skip
            monolith.add_entry("a", 1, "before")
            settle(ours.flow, ours.desk)
            late = threading.Timer(2.0, wire.mend)
            late.start()
            monolith.add_entry("a", 2, "to be drained")
            performed.perform()
        late.join()
    finally:
        wire.close()
    mend(world)
    assert world.settled()
    owner = world.desk.decision().owner
    with closing(world.side(owner)) as side:
        side.add_entry("a", 3, "after")
    same(world)
    assert owner is Arm.MONOLITH
    assert sorted(row[1] for row in monolith.entries()) == [1, 2, 3]


@plain
@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE shop_entry ADD COLUMN colour text",
        "ALTER TABLE shop_entry DROP COLUMN said",
        "ALTER TABLE shop_entry RENAME COLUMN said TO told",
    ],
)
def test_a_migration_of_a_table_that_flows_is_never_silent(
    world: World, monolith: Side, change: str
):
    with moving(world) as desk:
        monolith.add_entry("a", 1, "x")
        until(lambda: desk.reports and desk.reports[-1].pending == 0)
        monolith.run(change)
        monolith.do("INSERT INTO {entry} ({author}, seq) VALUES ('b', 1)")
        reported = len(desk.reports)
        later, end = desk.reports[:0], time.monotonic() + 1.5
        while not (later and later[-1].missing) and time.monotonic() < end:
            time.sleep(0.05)
            later = desk.reports[reported + 1 :]
        assert not later or later[-1].missing, "nobody noticed"
    with pytest.raises((Unfit, SwitchRefused)), held(world) as ours:
        ours.switch()


def drop_triggers(world: World, side: Side, table: str) -> None:
    """All that the table has."""
    if world.kind == "postgres":
        query = "SELECT tgname FROM pg_trigger WHERE tgrelid = ?::regclass AND NOT tgisinternal"
        place = f" ON {table}"
    else:
        query, place = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", ""
    for (name,) in side.run(query, table):
        side.run(f'DROP TRIGGER "{name}"{place}')


@plain
def test_triggers_that_a_migration_has_dropped_are_there_again_and_nothing_is_lost(
    world: World, monolith: Side, service: Side
):
    """As Django does on SQLite, which makes a table anew: nobody sees what is written meanwhile."""
    with moving(world) as desk:
        for seq in range(3):
            monolith.add_entry("a", seq, "x")
        until(lambda: desk.backfilled() and desk.reports and desk.reports[-1].pending == 0)
        with held(world):  # the mover has let go, as one that is slow would be
            for side, name in ((monolith, "shop_entry"), (service, "entry")):
                drop_triggers(world, side, name)
            monolith.run("DELETE FROM shop_entry WHERE seq = 0")
            monolith.run("UPDATE shop_entry SET said = 'unseen' WHERE seq = 1")
            monolith.add_entry("a", 3, "unseen too")
            service.run("UPDATE entry SET words = 'rogue' WHERE seq = 2")
        until(lambda: sorted(row[1] for row in service.entries()) == [1, 2, 3])
        monolith.add_entry("a", 4, "seen")
        with pytest.raises(Fenced):
            service.add_entry("a", 5, "denied")
        until(lambda: desk.reports[-1].pending == 0 and not desk.reports[-1].missing)
    same(world)
    assert sorted(row[1] for row in service.entries()) == [1, 2, 3, 4]


@postgres
@plain
def test_triggers_of_a_table_that_somebody_holds_stop_no_other_tables_rows(
    world: World, monolith: Side, service: Side, monkeypatch: pytest.MonkeyPatch
):
    """They are made as soon as that is over; until then it is told that they are missing."""
    monkeypatch.setattr(production, "REINSTALL", 0.5)
    with moving(world) as desk, psycopg.connect(world.url(Arm.MONOLITH)) as long:
        until(lambda: desk.backfilled() and desk.reports and desk.reports[-1].pending == 0)
        with held(world):
            drop_triggers(world, monolith, "shop_entry")
            long.execute("LOCK TABLE shop_entry IN ROW EXCLUSIVE MODE")
        monolith.run("INSERT INTO shop_counter VALUES (77, 1)")
        monolith.add_entry("a", 1, "unseen")
        until(lambda: service.run("SELECT 1 FROM counter WHERE number = 77"))
        until(lambda: any("shop_entry is gone" in one for one in desk.reports[-1].missing))
        assert not desk.backfilled()
        long.rollback()
        until(lambda: [row[1] for row in service.entries()] == [1])
        until(lambda: desk.backfilled() and not desk.reports[-1].missing)
    same(world)


@postgres
@plain
def test_no_writer_waits_while_a_dry_run_waits_for_a_mover_that_was_stopped(
    world: World, monolith: Side
):
    with held(world) as ours, closing(world.database(Arm.MONOLITH).session()) as stopped:
        monolith.add_entry("a", 1, "x")
        rehearsing = threading.Thread(target=Switch(ours.flow, ours.desk, budget=9.0).rehearse)
        with stopped.claim(100):
            rehearsing.start()
            rehearsing.join(1.0)
            monolith.run("SET statement_timeout = '5s'")
            monolith.add_entry("a", 2, "y")
            assert rehearsing.is_alive()
        rehearsing.join()
        assert ours.flow.source.pending() == 1, "what nobody had claimed is there"


@plain
def test_a_row_that_no_mapping_accepts_is_parked_and_named(world: World, monolith: Side):
    if world.kind == "postgres":
        monolith.run("ALTER TABLE shop_item ALTER amount DROP NOT NULL")
        bad = None
    else:
        bad = "a lot"
    box = monolith.add_box("box", None)
    monolith.run("INSERT INTO shop_item (sku, box_id, amount) VALUES ('good', ?, 1)", box)
    monolith.run("INSERT INTO shop_item (sku, box_id, amount) VALUES ('bad', ?, ?)", box, bad)
    with held(world) as ours:
        ours.drain()
        (parked,) = ours.flow.source.parked()
        assert (parked.table, parked.key) == ("shop_item", ("bad",))
        assert parked.reason
        with pytest.raises(SwitchRefused, match="bad"):
            ours.switch()
    with closing(world.side(Arm.SERVICE)) as service:
        assert list(service.items()) == ["good"]
    monolith.run("UPDATE shop_item SET amount = 2 WHERE sku = 'bad'")
    same(world)


@plain
def test_what_moves_in_one_transaction_arrives_so(world: World, monolith: Side, service: Side):
    """Unique values that change places, keys that change, rows and what refers to them."""
    boxes = [monolith.add_box(f"box {number}", None) for number in range(3)]
    monolith.put_item("one", boxes[0], 100, "n")
    with held(world) as ours:
        ours.drain()
        with monolith.transaction():
            for number in range(0, 10, 2):
                monolith.swap(number, number + 1)
            monolith.rename_item("one", "two")
            monolith.run("UPDATE shop_box SET parent_id = ? WHERE id = ?", boxes[1], boxes[2])
        ours.drain()
        with monolith.transaction():
            monolith.drop_box(boxes[1])
            monolith.drop_box(boxes[0])
        for _ in range(50):  # one key at a time: a row goes before what referred to it has
            ours.flow.batch(1)
        ours.drain()
        assert ours.flow.source.count_parked() == 0
    assert service.slots() == monolith.slots()
    assert service.items() == {}
    same(world)


@postgres
@plain
def test_a_truncated_table_is_empty_on_the_other_side(world: World, monolith: Side, service: Side):
    for seq in range(50):
        monolith.add_entry("a", seq, "x")
    with held(world) as ours:
        ours.drain()
        monolith.run("TRUNCATE shop_entry")
        monolith.add_entry("b", 1, "after")
        ours.drain()
    assert [row[0] for row in service.entries()] == ["b"]
    with pytest.raises(Fenced):
        service.run("TRUNCATE entry")


@postgres
@plain
def test_an_idle_transaction_keeps_a_switch_from_beginning_and_nobody_waits(
    world: World, monolith: Side
):
    with closing(world.side(Arm.MONOLITH)) as idle, held(world) as ours:
        idle.run("BEGIN")
        idle.add_entry("idle", 1, "x")
        time.sleep(1.1)
        with pytest.raises(SwitchRefused, match="idle in transaction"):
            ours.switch(patience=0.3)
        began = time.monotonic()
        monolith.add_entry("other", 1, "x")
        assert time.monotonic() - began < 1
        idle.run("COMMIT")
        ours.switch()
    same(world)


@postgres
@plain
def test_autovacuum_comes_back_after_a_mover_has_died(world: World, monolith: Side):
    off = "SELECT count(*) FROM pg_class WHERE 'autovacuum_enabled=false' = ANY(reloptions)"
    with held(world) as ours:
        settle(ours.flow, ours.desk)
        assert monolith.run(off) == [(6,)]
    mend(world)
    assert monolith.run(off) == [(0,)]


@postgres
@plain
def test_a_vacuum_that_runs_is_waited_for(world: World, monolith: Side):
    monolith.run(
        "INSERT INTO shop_entry (writer, seq) SELECT 'v', n FROM generate_series(1, 5000) n"
    )
    vacuuming = threading.Event()

    def vacuum() -> None:
        with closing(world.side(Arm.MONOLITH)) as side:
            side.run("SET vacuum_cost_delay = '20ms'")
            side.run("SET vacuum_cost_limit = 30")
            vacuuming.set()
            side.run("VACUUM shop_entry")

    with held(world) as ours:
        ours.drain()
        thread = threading.Thread(target=vacuum)
        thread.start()
        vacuuming.wait()
        ours.switch(patience=30)
        thread.join()
    same(world)


@plain
def test_clocks_that_differ_hurt_nobody(world: World, monolith: Side, monkeypatch: object):
    """Leases go by one clock, the control database's; ages and beats by each database's own."""
    monolith.add_entry("a", 1, "x")
    skewed = "UPDATE strangler_journal SET at = {}"
    monolith.run(skewed.format("'2031-01-01 00:00:00'"))
    with held(world) as ours:
        assert ours.flow.source.oldest() == 0
        ours.switch()
    same(world)


@postgres
@plain
def test_the_way_back_is_refused_while_the_services_database_is_down(
    world: World, service_server: Durable
):
    with held(world) as ours:
        ours.switch()
    before = world.desk.decision()
    with held(world) as ours:
        settle(ours.flow, ours.desk)
        service_server.kill()
        with pytest.raises(TransferError):
            Switch(ours.flow, ours.desk).perform()
    assert world.desk.decision() == before
    mend(world)
    with closing(world.side(Arm.SERVICE)) as side:
        side.add_entry("a", 1, "the service owns still")
    with closing(world.side(Arm.MONOLITH)) as side, pytest.raises(Fenced):
        side.add_entry("a", 2, "denied")
    same(world)


@plain
def test_the_new_owner_does_not_speak_before_the_old_one_has_been_heard(
    world: World, monolith: Side
):
    """An event that waits holds the switch up; who tells it lets it go on."""
    make_tables(monolith.run, kind=world.kind)
    event = say(monolith.run, CAPABILITY, 1)
    with held(world) as here:
        with pytest.raises(SwitchRefused, match=r"undone at 'tell': .*1 to be published"):
            here.switch(budget=0.5)
        assert here.desk.decision().owner is Arm.MONOLITH
        monolith.add_entry("writer", 1, "goes on")

    def relay() -> None:
        time.sleep(0.3)
        with closing(world.side(Arm.MONOLITH)) as side:
            side.run("DELETE FROM strangler_outbox WHERE id = ?", event)

    telling = threading.Thread(target=relay)
    with held(world) as here:
        telling.start()
        here.switch()
        telling.join()
        assert here.desk.decision().owner is Arm.SERVICE


@plain
def test_what_no_bus_takes_keeps_a_switch_from_beginning(world: World, monolith: Side):
    make_tables(monolith.run, kind=world.kind)
    monolith.run(PARK, f"{1:032x}", 1, CAPABILITY, 1, "")
    with held(world) as here, pytest.raises(SwitchRefused, match="1 parked"):
        here.switch()


@plain
def test_what_waits_for_nobody_is_named_at_once(world: World, monolith: Side):
    """Else it would hold every switch up, for as long as anybody waits."""
    make_tables(monolith.run, kind=world.kind)
    monolith.run(QUEUE, "mail", CAPABILITY)
    refused = pytest.raises(SwitchRefused, match=r"1 events wait for mail .*drop --consumer mail")
    with held(world) as here, refused:
        here.switch(patience=600.0, heard=lambda consumer: consumer != "mail")
