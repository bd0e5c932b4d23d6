"""A kill by the routing table alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from strangler.ladder import IllegalMove, Share, Stage
from strangler.routing import killing
from strangler.routing.cohorts import members
from strangler.routing.killing import BEYOND
from strangler.routing.publish import publish
from strangler.routing.table import Entry, Table, TableUnusable

LIVE = Entry(
    Stage.LIVE, 0, held=True, killed=False, share=Share(1000, 1000), fallback=True, closed=True
)


def table(root: Path, **entries: Entry) -> Table:
    publish(root, 7, entries)
    return Table(root)


def kill(root: Path, name: str, *others: str) -> killing.Killed:
    return killing.kill(root, name, together=(name, *others), groups={})


def test_queries_go_home_and_commands_to_the_owner(tmp_path: Path) -> None:
    seen = table(
        tmp_path,
        plain=LIVE,
        rows=replace(LIVE, epoch=3),
        canary=replace(LIVE, stage=Stage.CANARY, percent=10, share=Share(100, 0), epoch=1),
    )
    for number, (name, share) in enumerate(
        {"plain": Share(0, 0), "rows": Share(0, 1000), "canary": Share(0, 0)}.items(), 1
    ):
        done = kill(tmp_path, name)
        assert done.revision == seen.revision() == 7 + number * BEYOND
        entry = seen.entry(name)
        assert (entry.killed, entry.share, entry.held) == (True, share, True), name
        assert entry.closed
        assert (done.before.killed, done.after.killed) == (False, True)
    assert seen.entry("rows").epoch == 3


def test_others_stay_as_they_are(tmp_path: Path) -> None:
    seen = table(tmp_path, one=LIVE, other=LIVE)
    kill(tmp_path, "one")
    assert seen.entry("other") == LIVE


def test_those_that_flip_together_are_killed_together(tmp_path: Path) -> None:
    canary = replace(LIVE, stage=Stage.CANARY, percent=10, share=Share(100, 100))
    groups = {"one": "both", "other": "both"}
    publish(tmp_path, 7, {"one": canary, "other": canary, "third": canary}, groups=groups)
    killing.kill(tmp_path, "one", together=("one", "other"), groups=groups)
    seen = Table(tmp_path)
    assert [seen.entry(name).killed for name in ("one", "other", "third")] == [True, True, False]
    assert seen.pinned()._queries["third"] == members("third", 100)


def test_once_more_does_nothing(tmp_path: Path) -> None:
    seen = table(tmp_path, one=LIVE)
    first, again = kill(tmp_path, "one"), kill(tmp_path, "one")
    assert again.before == again.after == first.after
    assert again.revision == first.revision == seen.revision()


def test_no_move_made_meanwhile_undoes_it(tmp_path: Path) -> None:
    seen = table(tmp_path, one=LIVE)
    kill(tmp_path, "one")
    for revision in (8, 9, 999):
        publish(tmp_path, revision, {"one": LIVE})
        assert seen.entry("one").killed
    publish(tmp_path, 8 + BEYOND, {"one": LIVE})
    assert not seen.entry("one").killed


def test_what_can_not_be_killed(tmp_path: Path) -> None:
    table(tmp_path / "a", gone=replace(LIVE, stage=Stage.RETIRED))
    with pytest.raises(IllegalMove):
        kill(tmp_path / "a", "gone")
    with pytest.raises(TableUnusable, match="knows no capability snow"):
        kill(tmp_path / "a", "snow")
    with pytest.raises(TableUnusable, match="no such file"):
        kill(tmp_path / "nowhere", "one")
    assert Table(tmp_path / "a").revision() == 7
    assert not (tmp_path / "nowhere").exists()
