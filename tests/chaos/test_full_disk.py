"""The disk of the side that rows are carried to is full, and has room again later."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

from strangler.ladder import Arm
from strangler.transfer.errors import DatabaseAway
from tests.chaos.conftest import CHAOS
from tests.chaos.servers import Durable
from tests.chaos.test_trouble import Held, held, moving, same, until
from tests.chaos.world import World, build
from tests.servers import Postgres, running

LONG = "x" * 4000


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("world", [{}], indirect=True, ids=[""])
def test_sqlite_has_no_page_left(world: World):
    with closing(world.side(Arm.MONOLITH)) as monolith, held(world) as ours:
        ours.drain()
        _pages(ours, 0)  # as many as there are
        for seq in range(8):
            monolith.add_entry("a", seq, LONG)
        dirty = ours.flow.source.pending()
        with pytest.raises(DatabaseAway, match="full"):
            ours.drain()
        assert (ours.flow.source.pending(), ours.flow.source.count_parked()) == (dirty, 0)
        with pytest.raises(DatabaseAway, match="full"):
            ours.switch()
        monolith.add_entry("a", 8, "the owner goes on")
        _pages(ours, 1000)
        ours.drain()
        ours.switch()
    same(world)
    with closing(world.side(Arm.SERVICE)) as service:
        assert sorted(row[1] for row in service.entries()) == list(range(9))


def _pages(ours: Held, more: int) -> None:
    """What SQLite may have on the other side: the pages that are used, and so many more."""
    link = ours.sides[Arm.SERVICE]._link  # type: ignore[attr-defined]
    link.run("PRAGMA wal_checkpoint(TRUNCATE)")
    (used,) = link.one("PRAGMA page_count")
    link.run(f"PRAGMA max_page_count = {used + more}")


class Cramped(Postgres):
    """A server that sees a small disk, in a mount namespace of its own, at ``space``."""

    @property
    def space(self) -> Path:
        return self.folder / "space"

    def prepare(self) -> None:
        super().prepare()
        self.space.mkdir()
        self.space.chmod(0o777)

    def command(self) -> list[str]:
        user = self.user()
        ours = [] if user.uid is None else [f"--map-user={user.uid}", f"--map-group={user.gid}"]
        server = shlex.join(["unshare", "-U", *(ours or ["-c"]), *super().command()])
        mount = shlex.join(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(self.space)])
        return ["unshare", "-Urm", "sh", "-c", f"{mount} && exec {server}"]

    def create(self) -> str:
        """A database on the small disk."""
        with psycopg.connect(self.url(), autocommit=True) as admin:
            admin.execute(f"CREATE TABLESPACE small LOCATION '{self.space}'")  # type: ignore[arg-type]
            admin.execute("CREATE DATABASE cramped TABLESPACE small")
        return self.url("cramped")


def _namespaces() -> bool:
    """May we have a mount namespace of our own here?"""
    user = Postgres().user()
    done = subprocess.run(
        ["unshare", "-Urm", "unshare", "-U", "true"],
        user=user.uid, group=user.gid, extra_groups=user.groups, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


if CHAOS and _namespaces():  # elsewhere the emulation of test_trouble has to do

    @pytest.fixture
    def cramped(monolith_server: Durable, tmp_path: Path) -> Iterator[World]:
        with running(Cramped()) as server:
            world = World("postgres", tmp_path, monolith_server.create(), server.create())
            build(world)
            yield world
            monolith_server.drop(world.monolith)

    @pytest.mark.postgres
    def test_postgres_has_no_block_left(cramped: World):
        """A mover is at work; somebody else has filled the disk, and later frees it."""
        with psycopg.connect(cramped.service, autocommit=True) as other:
            other.execute("CREATE TABLE ballast (b bytea)")
            other.execute("ALTER TABLE ballast ALTER b SET STORAGE EXTERNAL")
            with suppress(psycopg.errors.DiskFull):
                while True:
                    other.execute("INSERT INTO ballast SELECT decode(repeat('00', 100000), 'hex')")
            with closing(cramped.side(Arm.MONOLITH)) as monolith, moving(cramped) as desk:
                for seq in range(200):
                    monolith.add_entry("a", seq, LONG)
                with held(cramped) as ours, pytest.raises(DatabaseAway, match="No space left"):
                    ours.drain()
                with closing(cramped.database(Arm.MONOLITH).session()) as source:
                    assert source.pending() > 0
                    assert source.count_parked() == 0
                monolith.add_entry("a", 200, "the owner goes on")
                reported = len(desk.reports)
                other.execute("DROP TABLE ballast")
                until(lambda: desk.reports[reported:] and desk.reports[-1].pending == 0, 60)
            with held(cramped) as ours:
                ours.switch()
            same(cramped)
            with closing(cramped.side(Arm.SERVICE)) as service:
                assert sorted(row[1] for row in service.entries()) == list(range(201))
