"""The processes beside the writers: the mover, whoever switches, whoever watches the fences."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import cast

import psycopg

from strangler.ladder import Arm
from strangler.transfer import mover as production
from strangler.transfer.control import ControlAway, NotOurs
from strangler.transfer.database import Session
from strangler.transfer.errors import SwitchRefused, TransferError
from strangler.transfer.mover import Mover
from strangler.transfer.repair import repair
from strangler.transfer.settle import settle
from strangler.transfer.switch import Switch
from tests.chaos import notes, writer
from tests.chaos.faults import Blow, Calls, Counted, Fault, Striking, Struck, kill_self, stop_self
from tests.chaos.side import Fenced, Gone, Side
from tests.chaos.world import CAPABILITY, MAPS, World, flowing
from tests.strangler.transfer.desk import Desk


def mover(world: World) -> None:
    """The production mover, which looks more often than it does elsewhere."""
    production.WAIT, production.EVERY, production.TROUBLED = 0.05, 0.1, 0.1
    stop = threading.Event()

    def watch() -> None:
        while not world.over:
            time.sleep(0.05)
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    Mover(
        CAPABILITY,
        MAPS,
        monolith=world.database(Arm.MONOLITH),
        service=world.database(Arm.SERVICE),
        control=world.desk,
        installed=lambda: True,
    ).run(stop)


def switches(world: World) -> Path:
    """Where it is said what became of each switch."""
    return world.folder / "switches"


def switch(world: World, fault: Fault | None = None) -> None:
    """Let the rows change owner, as the ladder does; or die at it."""
    desk = world.desk
    with notes.Notes(switches(world)) as said:
        try:
            desk.take()
            try:
                with world.sessions() as sides:
                    repair(
                        desk, monolith=sides[Arm.MONOLITH], service=sides[Arm.SERVICE],
                        token=desk.token,
                    )  # fmt: skip
                    flow = flowing(world, sides, desk)
                    old, new = world.url(flow.owner), world.url(flow.other)
                    striking = Striking(fault, said, lambda blow: _strike(blow, world, old, new))
                    flow.source = cast(Session, Struck(flow.source, striking))
                    flow.target = cast(Session, Struck(flow.target, striking))
                    performed = Switch(flow, desk)
                    striking.prepare(performed)
                    settle(flow, desk)
                    if world.quiet:  # nobody else writes what has to be drained
                        with closing(world.side(flow.owner)) as side:
                            side.add_entry("straggler", desk.token, "after all was settled")
                    timings = performed.perform()
                    said.say(switched=desk.decision().epoch, freeze=timings.freeze,
                             drained=timings.drained)  # fmt: skip
            finally:
                desk.release()
        except SwitchRefused as refused:
            said.say(refused=str(refused))
        except (TransferError, NotOurs, ControlAway) as broke:
            said.say(broke=f"{type(broke).__name__}: {broke}")


def mender(world: World, number: int, blow: Blow) -> None:
    """Repair what was left half done, and be struck at its call of this number, if it has one."""
    desk = world.desk
    with notes.Notes(switches(world)) as said:
        strike = {Blow.KILL: kill_self, Blow.STOP: stop_self}[blow]
        calls = Calls(number, strike, said)
        try:
            desk.take()
            with world.sessions() as sides:
                repair(
                    cast(Desk, Counted(desk, calls)),
                    monolith=cast(Session, Counted(sides[Arm.MONOLITH], calls)),
                    service=cast(Session, Counted(sides[Arm.SERVICE], calls)),
                    token=desk.token,
                )
        except (TransferError, NotOurs) as broke:
            said.say(broke=f"{type(broke).__name__}: {broke}")
        else:
            said.say(mended=number)
        finally:
            desk.release()


def _strike(blow: Blow, world: World, old: str, new: str) -> None:
    match blow:
        case Blow.KILL:
            kill_self()
        case Blow.STOP:
            stop_self()
        case Blow.OLD_CRASHES:
            crash(old)
        case Blow.NEW_CRASHES:
            crash(new)
        case Blow.CUT:
            for url in {old, new}:
                cut(url)
        case Blow.APPLICATIONS:
            for pid in writer.processes(world):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def crash(url: str) -> None:
    """Kill the server with all its backends at once, as a machine that fails."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    os.kill(int((Path(row[0]) / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


def cut(url: str) -> None:
    """Cut every connection of a database but this one, the mover's too."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def sightings(world: World) -> Path:
    """Where it is said what should never be seen."""
    return world.folder / "sightings"


def watch(world: World) -> None:
    """See that never both sides take writes at once, and that no epoch ever goes back."""
    epochs = {"monolith": 0, "service": 0, "control": 0}
    desk, looks = world.desk, 0
    with notes.Notes(sightings(world)) as said:
        while not world.over:
            with suppress(Gone, TransferError), _eyes(world) as (sides, sessions):
                while not world.over:
                    first, other = list(sides)[:: 1 if looks % 2 else -1]
                    looks += 1
                    if _both_open(sides[first], sides[other]):
                        said.say(error="both sides take writes")
                    for arm, session in sessions.items():
                        row = session.owner()
                        assert row is not None
                        _higher(epochs, str(arm), row.epoch, said)
                    _higher(epochs, "control", desk.decision().epoch, said)
                    time.sleep(0.02)
            time.sleep(0.02)
        said.say(looks=looks)


@contextmanager
def _eyes(world: World) -> Iterator[tuple[dict[Arm, Side], dict[Arm, Session]]]:
    """Connections to both sides, as an application's and as a mover's, until one breaks off."""
    with (
        closing(world.side(Arm.MONOLITH)) as monolith,
        closing(world.side(Arm.SERVICE)) as service,
        world.sessions() as sessions,
    ):
        yield {Arm.MONOLITH: monolith, Arm.SERVICE: service}, sessions


def _higher(epochs: dict[str, int], name: str, epoch: int, said: notes.Notes) -> None:
    if epoch < epochs[name]:
        said.say(error=f"the epoch of {name} went back from {epochs[name]} to {epoch}")
    epochs[name] = epoch


def _both_open(one: Side, two: Side) -> bool:
    """A write that is not committed keeps a fence from rising: two of them say it for certain."""
    try:
        return _writes(one) and _writes(two)
    finally:
        for side in (one, two):
            with suppress(Gone, Fenced):
                if _inside(side):
                    side.run("ROLLBACK")


def _writes(side: Side) -> bool:
    side.run(side.begin)
    try:
        side.add_entry("watch", 0, "never to be seen")
    except Fenced:
        return False
    return True


def _inside(side: Side) -> bool:
    connection = side.connection  # type: ignore[attr-defined]
    if isinstance(connection, psycopg.Connection):
        return bool(connection.info.transaction_status)
    return bool(connection.in_transaction)
