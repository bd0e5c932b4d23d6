from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.ladder import COHORTS, Share, Stage
from strangler.routing.cohorts import shuffle
from strangler.routing.decide import Kind
from strangler.routing.publish import publish
from strangler.routing.table import Entry, Snapshot, Table, TableUnusable
from tests.strangler.routing.folders import entry, unprivileged

ENTRIES = {"catalog": entry(10), "pricing": entry(20, 20)}

INSIDE = shuffle("pricing")[0]
"""A cohort that the service answers."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    publish(tmp_path / "table", 42, ENTRIES)
    return tmp_path / "table"


counts = st.sampled_from([0, 1, 10, 25, 50, COHORTS])
shares = st.builds(Share, counts, counts)
entries = st.dictionaries(
    st.sampled_from(["catalog", "pricing", "inventory", "ordering"]),
    st.builds(
        Entry,
        stage=st.sampled_from(Stage),
        percent=st.integers(0, 100),
        held=st.booleans(),
        killed=st.booleans(),
        share=shares,
        fallback=st.booleans(),
        closed=st.booleans(),
    ),
    min_size=1,
)


@settings(max_examples=10, deadline=None)
@given(entries, st.sampled_from([{}, {"catalog": "shelf", "pricing": "shelf"}]))
def test_a_table_on_disk_says_what_one_in_memory_says(
    drawn: dict[str, Entry], groups: dict[str, str]
):
    with tempfile.TemporaryDirectory() as folder:
        publish(Path(folder), 7, drawn, groups=groups)
        table, memory = Table(folder), Snapshot(drawn, groups=groups, revision=7)
        assert table.revision() == memory.revision() == 7
        assert table.entries() == memory.entries() == drawn
        for name, one in drawn.items():
            assert table.entry(name) == one
            for kind in Kind:
                held = [cohort for cohort in range(COHORTS) if table.holds(name, kind, cohort)]
                assert held == [
                    cohort for cohort in range(COHORTS) if memory.holds(name, kind, cohort)
                ]
                assert len(held) == (
                    one.share.queries if kind is Kind.QUERY else one.share.commands
                )


def test_nginx_finds_the_same_by_looking_for_a_file(root: Path):
    table = Table(root)
    for name in ENTRIES:
        for kind, folder in [(Kind.QUERY, "queries"), (Kind.COMMAND, "commands")]:
            for cohort in range(COHORTS):
                file = root / "current" / f"{name}.{folder}" / str(cohort)
                assert file.is_file() == table.holds(name, kind, cohort)


def test_a_flip_is_seen_at_the_next_question(root: Path):
    table = Table(root)
    assert table.holds("catalog", Kind.COMMAND, 1) is False
    publish(root, 43, {"catalog": entry(1000, 1000)})
    assert table.holds("catalog", Kind.COMMAND, 1) is True
    assert table.revision() == 43


def test_what_is_pinned_does_not_see_the_next_flip(root: Path):
    table = Table(root)
    pinned = table.pinned()
    publish(root, 43, {"catalog": entry(0), "pricing": entry(0)})
    assert pinned.revision() == 42
    assert pinned.holds("pricing", Kind.QUERY, INSIDE) is True
    assert table.holds("pricing", Kind.QUERY, INSIDE) is False


def test_a_capability_that_it_does_not_know(root: Path):
    with pytest.raises(
        TableUnusable, match="revision 42: it knows no capability ordering; calls go"
    ):
        Table(root).holds("ordering", Kind.QUERY, 1)
    with pytest.raises(TableUnusable):
        Table(root).entry("ordering")


def test_a_table_may_be_moved_and_reached_by_another_way(root: Path, tmp_path: Path):
    moved = tmp_path / "elsewhere" / "deep"
    shutil.copytree(root, moved, symlinks=True)
    shutil.rmtree(root)
    (tmp_path / "link").symlink_to(moved)
    for way in (moved, tmp_path / "link"):
        assert Table(way).holds("pricing", Kind.QUERY, INSIDE)
    assert not [
        path for path in moved.rglob("*") if path.is_symlink() and path.readlink().is_absolute()
    ]


def test_a_table_named_by_a_relative_path_outlives_a_change_of_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(root.parent)
    table = Table(root.name)
    monkeypatch.chdir("/")
    assert table.revision() == 42


def _missing(root: Path) -> None:
    shutil.rmtree(root)


def _never_published(root: Path) -> None:
    (root / "current").unlink()


def _dangling(root: Path) -> None:
    shutil.rmtree(root / "revisions")


def _copied_without_links(root: Path) -> None:
    (root / "current").unlink()
    shutil.copytree(root / "revisions" / "42", root / "current")


def _links_became_folders(root: Path) -> None:
    (root / "current" / "catalog.queries").unlink()
    (root / "current" / "catalog.queries").mkdir()


def _garbage(root: Path) -> None:
    (root / "current" / "revision").write_text("\0\0\0")


def _cut_short(root: Path) -> None:
    path = root / "current" / "revision"
    path.write_text(path.read_text()[:-40])


def _no_object(root: Path) -> None:
    (root / "current" / "revision").write_text("[42]")


def _unknown_stage(root: Path) -> None:
    path = root / "current" / "revision"
    path.write_text(path.read_text().replace("canary", "cellar"))


def _from_the_future(root: Path) -> None:
    path = root / "current" / "revision"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))


def _link_gone(root: Path) -> None:
    (root / "current" / "catalog.commands").unlink()


def _set_gone(root: Path) -> None:
    shutil.rmtree(root / "sets" / "catalog-1")


def _cohort_gone(root: Path) -> None:
    next((root / "sets" / "pricing-2").iterdir()).unlink()


def _stranger_in_a_set(root: Path) -> None:
    (root / "sets" / "none" / "README").touch()


@pytest.mark.parametrize(
    ("damage", "path", "found"),
    [
        (_missing, "current", "no such file or directory"),
        (_never_published, "current", "no such file or directory"),
        (_dangling, "revisions/42/revision", "no such file or directory"),
        (_copied_without_links, "current", "it is no link"),
        (_links_became_folders, "revisions/42/catalog.queries", "it is no link"),
        (_garbage, "revisions/42/revision", "it is damaged (JSONDecodeError"),
        (_cut_short, "revisions/42/revision", "it is damaged (JSONDecodeError"),
        (_no_object, "revisions/42/revision", "it is damaged (TypeError"),
        (_unknown_stage, "revisions/42/revision", "it is damaged (ValueError: 'cellar'"),
        (_from_the_future, "revisions/42/revision", "its format is 2, and this kit reads 1"),
        (_link_gone, "revisions/42/catalog.commands", "no such file or directory"),
        (_set_gone, "revisions/42/catalog.queries", "no such file or directory"),
        (_cohort_gone, "revisions/42/pricing.queries", "19 cohorts where revision says 20"),
        (_stranger_in_a_set, "revisions/42/catalog.commands", "is not named by a cohort"),
    ],
)
def test_a_damaged_table_says_what_is_wrong_and_works_again_once_published(
    root: Path, damage: Callable[[Path], None], path: str, found: str
):
    # One reader that knew the table before, and one that comes after.
    readers = [Table(root, verify_every=0.0), Table(root)]
    assert readers[0].revision() == 42
    damage(root)
    for reader in readers:
        with pytest.raises(TableUnusable) as unusable:
            reader.holds("catalog", Kind.QUERY, 1)
        assert unusable.value.path == root / path
        assert found in unusable.value.found
        assert "calls go to the owner until the table is published again" in str(unusable.value)
    if damage is _copied_without_links:
        shutil.rmtree(root / "current")
    # The same revision again: whoever repairs a table has no newer one.
    publish(root, 42, ENTRIES)
    for reader in readers:
        assert reader.entries() == ENTRIES
        assert reader.holds("pricing", Kind.COMMAND, INSIDE)


def test_damage_is_noticed_within_the_time_that_was_asked_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    now = 100.0
    monkeypatch.setattr("strangler.routing.table.time.monotonic", lambda: now)
    table = Table(root, verify_every=1.0)
    table.pinned()
    _set_gone(root)
    now = 100.9
    assert table.revision() == 42
    now = 101.0
    with pytest.raises(TableUnusable):
        table.revision()


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A table which everybody can reach; tmp_path is its owner's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        publish(Path(folder) / "table", 42, ENTRIES)
        yield Path(folder) / "table"


def test_a_read_only_table_is_as_good_for_readers(open_root: Path):
    for folder in open_root.rglob("*"):
        if folder.is_dir() and not folder.is_symlink():
            folder.chmod(0o555)
    open_root.chmod(0o555)
    with unprivileged():
        assert Table(open_root).holds("pricing", Kind.QUERY, INSIDE)
    for folder in [open_root, *open_root.rglob("*")]:
        if folder.is_dir() and not folder.is_symlink():
            folder.chmod(0o755)


def test_a_table_that_may_not_be_read_is_unusable(open_root: Path):
    (open_root / "revisions").chmod(0o000)
    with unprivileged(), pytest.raises(TableUnusable, match="permission denied"):
        Table(open_root).pinned()
    (open_root / "revisions").chmod(0o755)


def test_a_reader_that_was_stopped_while_its_revision_was_pruned_goes_on_with_the_next(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    table = Table(root)
    read = Snapshot.read
    asked: list[str] = []

    def late(folder: Path) -> Snapshot:
        asked.append(folder.name)
        if len(asked) == 1:
            publish(root, 43, ENTRIES)
            shutil.rmtree(root / "revisions" / "42")
        return read(folder)

    monkeypatch.setattr(Snapshot, "read", staticmethod(late))
    assert table.revision() == 43
    assert asked == ["42", "43"]
