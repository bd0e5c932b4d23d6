"""Locks on files, also where only flock is to be had."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from strangler.ladder import Arm
from strangler.transfer.database import Owner
from strangler.transfer.door import DoorClosed
from strangler.transfer.errors import DatabaseAway, LockTimeout
from strangler.transfer.sqlite import SqliteDoor, locks
from strangler.transfer.sqlite.locks import FileLock
from tests.strangler.transfer.sqlite.files import Open

TAG = "CREATE TABLE tag (id integer PRIMARY KEY)"


@pytest.fixture(params=["open file description", "flock"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "flock":
        monkeypatch.setattr(locks, "_SET", None)
        monkeypatch.setattr(locks, "_GET", None)
    elif locks._SET is None:
        pytest.skip("this system has no locks of open file descriptions")
    return str(request.param)


def test_some_together_or_one_alone(kind: str, tmp_path: Path):
    path = tmp_path / "made" / "lock"
    with FileLock(path) as one, FileLock(path) as two, FileLock(path) as three:
        assert three.free()
        assert one.try_shared()
        assert two.try_shared()
        assert not three.free()
        assert not three.try_alone()
        one.close()
        two.close()
        assert three.free()
        assert three.try_alone()
        with FileLock(path) as four:
            assert not four.try_shared()
            assert not four.free()


def test_looking_takes_nothing(kind: str, tmp_path: Path):
    with FileLock(tmp_path / "lock") as one, FileLock(tmp_path / "lock") as two:
        assert one.free()
        assert two.try_alone()


def test_closing_twice_closes_nobody_else_s(kind: str, tmp_path: Path):
    one = FileLock(tmp_path / "lock")
    one.close()
    with FileLock(tmp_path / "other") as other:
        assert other.try_alone()
        one.close()
        with FileLock(tmp_path / "other") as third:
            assert not third.try_alone()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_outlives_a_command_does_not_keep_the_door(kind: str, make: Open):
    file = make(TAG, "tag")
    with closing(SqliteDoor(str(file.path), capability="catalog", arm=Arm.MONOLITH)) as door:
        told, tell = os.pipe()
        with door.entered(deadline=time.monotonic() + 5):
            child = os.fork()
            if not child:
                os.close(tell)
                os.read(told, 1)  # lives until we close our end
                os._exit(0)
            with pytest.raises(LockTimeout):
                file.session.close_door(patience=0.1)
        file.session.close_door(patience=1)
        with pytest.raises(DoorClosed), door.entered(deadline=time.monotonic() + 0.1):
            pytest.fail("it is closed")
        os.close(tell)
        os.close(told)
        os.waitpid(child, 0)


def test_a_lock_that_can_not_be_opened_says_that_nobody_can_say(tmp_path: Path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(DatabaseAway) as caught:
        FileLock(tmp_path / "taken" / "lock")
    assert "taken" in str(caught.value)


class LateDoor(SqliteDoor):
    """Was held up after it had read the owner row: what it knows of it first is old."""

    stale: Owner | None = Owner(Arm.MONOLITH, 1, 0, frozen=False)

    def owner(self) -> Owner | None:
        stale, self.stale = self.stale, None
        return stale or super().owner()


def test_who_came_by_a_gate_that_counts_no_more_is_not_inside(make: Open):
    file = make(TAG, "tag")
    file.session.seize(1)
    file.session.close_door(patience=1)
    with closing(LateDoor(str(file.path), capability="catalog", arm=Arm.MONOLITH)) as door:
        with pytest.raises(DoorClosed), door.entered(deadline=time.monotonic() + 0.1):
            pytest.fail("its gate is another mover's by now")
        file.session.close_door(patience=0.1)
