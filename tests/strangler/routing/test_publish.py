from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.routing import publish as publishing
from strangler.routing.publish import (
    KEPT,
    Prepared,
    PublishFailed,
    discard,
    point,
    prepare,
    publish,
)
from strangler.routing.table import Entry, Table
from tests.strangler.routing.folders import content, entry, unprivileged


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "table"


def revisions(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "revisions").iterdir())


def sets(root: Path) -> set[str]:
    return cohorts_of(root / "sets")


def cohorts_of(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_folder_is_the_one_that_the_design_draws(root: Path):
    assert publish(root, 42, {"catalog": entry(100), "pricing": entry(1000, 1000)}) == 42
    seen = content(root)
    assert seen["current"] == "revisions/42"
    assert seen["revisions/42/catalog.queries"] == "../../sets/catalog-10"
    assert seen["revisions/42/catalog.commands"] == "../../sets/none"
    assert seen["revisions/42/pricing.queries"] == "../../sets/all"
    assert "revisions/42/revision" in seen
    assert len(cohorts_of(root / "sets" / "catalog-10")) == 100
    assert cohorts_of(root / "sets" / "all") == {str(cohort) for cohort in range(1000)}
    assert cohorts_of(root / "sets" / "none") == set()


@pytest.mark.parametrize(("count", "name"), [(1, "a-0.1"), (125, "a-12.5"), (990, "a-99")])
def test_a_set_is_named_by_its_share_of_all(root: Path, count: int, name: str):
    publish(root, 1, {"a": entry(count)})
    assert sets(root) == {"none", name}
    assert len(cohorts_of(root / "sets" / name)) == count


def test_a_group_has_its_sets_in_common(root: Path):
    groups = {"catalog": "shelf", "stock": "shelf"}
    entries = {name: entry(50) for name in ("catalog", "stock", "pricing")}
    publish(root, 1, entries, groups=groups)
    assert sets(root) == {"none", "shelf-5", "pricing-5"}


def test_what_is_prepared_is_not_seen_until_it_is_pointed_at(root: Path):
    publish(root, 1, {"catalog": entry(10)})
    before = content(root)
    prepared = prepare(root, 2, {"catalog": entry(10)})
    assert content(root) == before
    assert point(prepared) == 2
    assert Table(root).revision() == 2


def test_what_is_discarded_leaves_nothing(root: Path):
    publish(root, 1, {"catalog": entry(10)})
    discard(prepare(root, 2, {"catalog": entry(10)}))
    assert revisions(root) == ["1"]
    assert publish(root, 2, {"catalog": entry(20)}) == 2


def test_it_never_goes_back(root: Path):
    old = prepare(root, 2, {"catalog": entry(10)})
    new = prepare(root, 3, {"catalog": entry(20)})
    assert point(new) == 3
    assert point(old) == 3
    assert publish(root, 1, {"catalog": entry(30)}) == 3
    assert Table(root).entry("catalog") == entry(20)
    assert revisions(root) == ["3"]


def test_two_who_prepared_the_same_number_do_not_meet(root: Path):
    """Only one of them commits; what the other wrote is never seen."""
    mine = prepare(root, 2, {"catalog": entry(10)})
    theirs = prepare(root, 2, {"catalog": entry(20)})
    point(mine)
    assert Table(root).entry("catalog") == entry(10)
    discard(theirs)
    assert Table(root).entry("catalog") == entry(10)


def test_the_same_again_is_the_same(root: Path):
    entries = {"catalog": entry(10)}
    publish(root, 5, entries)
    before = content(root)
    assert publish(root, 5, entries) == 5
    assert content(root) == before


def test_a_number_published_anew_does_not_change_what_readers_may_be_in(root: Path):
    publish(root, 5, {"catalog": entry(10)})
    table = Table(root)
    table.pinned()
    publish(root, 5, {"catalog": entry(10), "pricing": entry(10)})
    assert revisions(root) == ["5", "5.1"]
    assert table.revision() == 5
    assert set(table.entries()) == {"catalog", "pricing"}
    publish(root, 5, {"catalog": entry(20)})
    assert (root / "current").readlink() == Path("revisions/5.2")
    publish(root, 6, {"catalog": entry(20)})
    assert table.revision() == 6


def test_ten_revisions_are_kept_and_the_sets_that_they_need(root: Path):
    for number in range(1, 16):
        publish(root, number, {"catalog": entry(number * 10)})
    assert revisions(root) == sorted(str(number) for number in range(6, 16))
    assert len(revisions(root)) == KEPT
    assert sets(root) == {"none", *(f"catalog-{number}" for number in range(6, 16))}


def test_what_current_points_at_is_never_pruned(root: Path):
    publish(root, 1, {"catalog": entry(10)})
    # Left behind by publishers who were killed between giving it its name and pointing at it.
    for number in range(100, 120):
        shutil.copytree(root / "revisions" / "1", root / "revisions" / str(number), symlinks=True)
    publish(root, 2, {"catalog": entry(20)})
    assert Table(root).revision() == 2
    assert Table(root).entry("catalog") == entry(20)


def test_what_was_left_behind_is_cleared_away_and_what_is_not_ours_is_left(root: Path):
    publish(root, 1, {"catalog": entry(10)})
    prepare(root, 2, {"catalog": entry(20)})
    waiting = prepare(root, 9, {"catalog": entry(90)})
    (root / ".current-0123").symlink_to("revisions/1")
    (root / "sets" / ".catalog-7-0123").mkdir()
    (root / "revisions" / "README").mkdir()
    publish(root, 3, {"catalog": entry(30)})
    assert sets(root) == {"none", "catalog-1", "catalog-3", "catalog-9"}
    assert revisions(root) == [waiting.folder.name, "1", "3", "README"]
    assert not list(root.glob(".current-*"))
    assert point(waiting) == 9
    assert Table(root).entry("catalog") == entry(90)


def test_a_prepared_revision_that_is_gone_is_said(root: Path):
    prepared = prepare(root, 2, {"catalog": entry(10)})
    shutil.rmtree(prepared.folder)
    with pytest.raises(PublishFailed, match="it is gone; prepare the revision again"):
        point(prepared)


def test_a_revision_is_a_positive_number(root: Path):
    with pytest.raises(ValueError, match="not 0"):
        prepare(root, 0, {})


def test_publishers_wait_for_each_other_but_not_for_ever(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    publish(root, 1, {"catalog": entry(10)})
    lock = os.open(root / ".lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    monkeypatch.setattr(publishing, "PATIENCE", 0.05)
    with pytest.raises(
        PublishFailed, match=r"\.lock: another publisher has held it for 0.05 s; see"
    ):
        publish(root, 2, {"catalog": entry(20)})
    monkeypatch.setattr(publishing, "PATIENCE", 10.0)
    release = threading.Timer(0.05, fcntl.flock, (lock, fcntl.LOCK_UN))
    release.start()
    assert publish(root, 2, {"catalog": entry(20)}) == 2
    release.join()
    os.close(lock)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder which everybody can reach; tmp_path is its owner's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_a_folder_that_may_not_be_written_is_said_and_unchanged(open_folder: Path):
    root = open_folder / "table"
    with unprivileged():
        publish(root, 1, {"catalog": entry(10)})
        prepared = prepare(root, 2, {"catalog": entry(20)})
        for number, folder in enumerate([root, root / "revisions", root / "sets"], start=3):
            folder.chmod(0o555)
            with pytest.raises(PublishFailed) as failed:
                publish(root, number, {"catalog": entry(number * 10)})
            assert str(failed.value.path).startswith(str(folder))
            assert failed.value.found == "permission denied"
            assert "let the user of this process write there, and publish again" in str(
                failed.value
            )
            if folder != root / "sets":
                with pytest.raises(PublishFailed, match="permission denied"):
                    point(prepared)
            assert Table(root).entries() == {"catalog": entry(10)}
            folder.chmod(0o755)
        assert point(prepared) == 2
        assert Table(root).entries() == {"catalog": entry(20)}


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path):
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "table"):
        with pytest.raises(PublishFailed) as failed:
            publish(root, 1, {"catalog": entry(10)})
        assert str(root) in str(failed.value)
        assert "put a folder there, and publish again" in str(failed.value)


def test_a_current_that_is_a_folder_is_said(root: Path):
    (root / "current").mkdir(parents=True)
    with pytest.raises(
        PublishFailed, match="is a directory; remove that folder: it must be a link"
    ):
        publish(root, 1, {"catalog": entry(10)})
    (root / "current").rmdir()
    assert publish(root, 1, {"catalog": entry(10)}) == 1


@pytest.mark.parametrize("wreck", ["revisions/0", "nowhere", "revisions/x.y", "revisions/"])
def test_a_current_that_leads_nowhere_is_no_hindrance(root: Path, wreck: str):
    root.mkdir()
    (root / "current").symlink_to(wreck)
    assert publish(root, 1, {"catalog": entry(10)}) == 1
    assert Table(root).revision() == 1


def test_what_is_prepared_says_where(root: Path):
    entries: dict[str, Entry] = {}
    prepared = prepare(root, 3, entries)
    assert prepared == Prepared(root, 3, prepared.folder)
    assert prepared.folder.parent == root / "revisions"
    assert point(prepared) == 3
    assert Table(root).entries() == {}
