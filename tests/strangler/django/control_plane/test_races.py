"""Two operators at once, and a process that is killed between any two steps of a move."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.strangler.django.foreign import Foreign

MOVE = """
import os, sys, time
from pathlib import Path
from strangler.django.control_plane.errors import RevisionConflict

# Two processes, neither of which has a connection yet.
me, other = Path("ann"), Path("bob")
children, if_revision = [os.fork()], sys.argv[1]
if not children[0]:
    me, other, children = other, me, []
seen = control._seen

def see():
    # Both have seen the same before either of them moves.
    states = seen()
    me.touch()
    while not other.exists():
        time.sleep(0.001)
    return states

control._seen = see
try:
    moved = control.advance(
        "billing", actor=me.name, force=True, reason="a race",
        if_revision=int(if_revision) if if_revision else None,
    )
    me.write_text(f"won {moved.revision}")
except RevisionConflict as conflict:
    me.write_text(f"told {conflict}")
for child in children:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

KILLED = """
import os, signal, sys
step = sys.argv[1]
owner = ledger.Ledger if step == "write" else ledger
do = getattr(owner, step)

def die(*args, **kwargs):
    if step != "point":
        do(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, step, die)
control.advance("billing", actor="eve", force=True, reason="a test")
"""


AFTER = """
import json
from strangler.django import conf; from strangler.django.control_plane import overview, state
from strangler.routing.table import Table, TableUnusable

table = Table(conf.settings().table)
try:
    before = table.revision()
except TableUnusable:
    before = None
recorded = (state.revision(), state.read("billing").standing.stage.value)
published = control.publish(actor="eve")
shown = table.entry("billing").stage.value
moved = control.advance("billing", actor="eve", force=True, reason="on")
print(json.dumps([before, *recorded, shown, moved.after.stage.value]))
assert table.revision() == state.revision() == moved.revision
"""


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with the control plane's tables."""
    shop = Foreign(tmp_path_factory.mktemp("migrated"))
    shop.migrate()
    return shop.root / "plane.sqlite3"


@pytest.fixture
def on_sqlite(tmp_path: Path, migrated: Path) -> Foreign:
    shop = Foreign(tmp_path)
    shop.migrate(migrated)
    return shop


@pytest.fixture
def on_postgres(tmp_path: Path, postgres_url: str) -> Foreign:
    shop = Foreign(tmp_path, postgres_url)
    shop.migrate()
    return shop


def race(shop: Foreign, if_revision: str) -> None:
    done = shop.python(MOVE, if_revision)
    assert done.returncode == 0, done.stderr
    said = {name: (shop.project / name).read_text() for name in ("ann", "bob")}
    (winner,) = (name for name, what in said.items() if what == "won 1")
    (told,) = (what for name, what in said.items() if name != winner)
    assert told.startswith("told somebody else was faster: you have seen revision 0")
    assert f"advance billing by {winner} at " in told


def kill(shop: Foreign, step: str) -> None:
    done = shop.python(KILLED, step)
    assert done.returncode == -signal.SIGKILL, done.stderr
    done = shop.python(AFTER)
    assert done.returncode == 0, done.stderr
    if step == "point":
        # It is recorded, and only the table lags: publishing it is all that is missing.
        assert json.loads(done.stdout) == [None, 1, "shadow", "shadow", "canary"]
    else:
        assert json.loads(done.stdout) == [None, 0, "monolith", "monolith", "shadow"]


@pytest.mark.parametrize("if_revision", ["0", ""])
def test_two_operators_at_once(on_sqlite: Foreign, if_revision: str) -> None:
    race(on_sqlite, if_revision)


@pytest.mark.postgres
def test_two_operators_at_once_on_postgresql(on_postgres: Foreign) -> None:
    race(on_postgres, "")


@pytest.mark.parametrize("step", ["write", "_prepare", "point"])
def test_killed_between_the_steps(on_sqlite: Foreign, step: str) -> None:
    kill(on_sqlite, step)


@pytest.mark.postgres
def test_killed_before_the_commit_on_postgresql(on_postgres: Foreign) -> None:
    kill(on_postgres, "_prepare")
