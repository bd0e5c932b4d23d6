"""Writing the routing table: a revision is written whole beside the others, then pointed at.

``prepare`` does everything that may fail for want of space or permission, and changes nothing that
a reader sees. ``point`` is one atomic rename of ``current``. Between the two the control plane
commits to its database. Whoever is killed at any instant leaves the old revision in place, whole.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from strangler.ladder import COHORTS
from strangler.routing.cohorts import members
from strangler.routing.table import FORMAT, Entry

KEPT = 10
"""Revisions that stay: a reader may still be in an old one."""

PATIENCE = 10.0
"""Seconds that a publisher waits for another one to finish."""


class PublishFailed(Exception):
    """The routing table could not be written; what readers see is unchanged."""

    def __init__(self, path: str | Path, found: str, remedy: str) -> None:
        super().__init__(path, found, remedy)
        self.path = Path(path)
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.path}: {self.found}; {self.remedy}"


_REMEDIES = {
    errno.EACCES: "let the user of this process write there",
    errno.EPERM: "let the user of this process write there",
    errno.EROFS: "mount it for writing where the publisher runs",
    errno.ENOSPC: "free some space and inodes on that disk",
    errno.EDQUOT: "free some space and inodes on that disk",
    errno.EISDIR: "remove that folder: it must be a link",
    errno.ENOTDIR: "put a folder there",
    errno.EEXIST: "put a folder there",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A revision that is on disk, whole, and that no reader sees yet."""

    root: Path
    revision: int
    folder: Path


def prepare(
    root: Path,
    revision: int,
    entries: Mapping[str, Entry],
    *,
    groups: Mapping[str, str] | None = None,
) -> Prepared:
    """Write a revision into the table at ``root``, which is made if it is missing.

    ``groups`` names the group of each capability that has one: its cohorts are shuffled by that.

    Raises:
        PublishFailed: the folder can't be written.
        ValueError: a revision is a positive number.
    """
    if revision < 1:
        raise ValueError(f"a revision is a positive number, not {revision}")
    root = Path(root)
    with _writing(root), _whole(root / "revisions", str(revision)) as staged:
        for name, entry in entries.items():
            salt = (groups or {}).get(name, name)
            for share in ("queries", "commands"):
                target = _set(root, salt, getattr(entry.share, share))
                (staged / f"{name}.{share}").symlink_to(f"../../sets/{target}")
            if entry.closed:
                (staged / f"{name}.closed").touch()
        data = {
            "format": FORMAT,
            "revision": revision,
            "capabilities": {name: entry.to_json() for name, entry in entries.items()},
        }
        with (staged / "revision").open("w", encoding="utf-8") as file:
            json.dump(data, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        _sync(root / "sets")
    return Prepared(root, revision, staged)


def point(prepared: Prepared) -> int:
    """Let readers see a prepared revision, in one step; older revisions than ten are removed.

    Never goes back: where a newer revision is current already, that one stays. Returns the number
    of the revision that is current now. One that is newer than the control plane's own means that
    another control plane writes this table, or that its database was put back.

    Raises:
        PublishFailed: the folder can't be written.
    """
    root = prepared.root
    with _writing(root):
        current = _current(root)
        if current is not None and current > prepared.revision:
            _remove(prepared.folder)
            return current
        folder = _settled(prepared)
        fresh = root / f".current-{secrets.token_hex(6)}"
        fresh.symlink_to(f"revisions/{folder.name}")
        if not folder.exists():
            prepared.folder.rename(folder)
            _sync(folder.parent)
        fresh.replace(root / "current")
        # The flip is done: what can't be tidied up now will be tidied up next time.
        with suppress(OSError):
            _sync(root)
            _remove(prepared.folder)
            _prune(root, prepared.revision)
        return prepared.revision


def discard(prepared: Prepared) -> None:
    """Drop a prepared revision that will not be pointed at."""
    _remove(prepared.folder)


def publish(
    root: Path,
    revision: int,
    entries: Mapping[str, Entry],
    *,
    groups: Mapping[str, str] | None = None,
) -> int:
    """``prepare`` and ``point`` in one; returns the number of the revision that is current now.

    Raises:
        PublishFailed: the folder can't be written.
    """
    return point(prepare(root, revision, entries, groups=groups))


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    """Keep other publishers out, and say what is wrong with a folder that can't be written."""
    try:
        (root / "revisions").mkdir(parents=True, exist_ok=True)
        (root / "sets").mkdir(exist_ok=True)
        lock = os.open(root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _acquire(lock, root)
            yield
        finally:
            # Closing is not enough where a child forked meanwhile has the same descriptor.
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)
    except OSError as error:
        path = Path(str(error.filename2 or error.filename or root))
        found = (error.strerror or type(error).__name__).lower()
        remedy = _REMEDIES.get(error.errno or 0, f"see that this process may write {root}")
        raise PublishFailed(path, found, f"{remedy}, and publish again") from error


def _acquire(lock: int, root: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise PublishFailed(
                    root / ".lock",
                    f"another publisher has held it for {PATIENCE:g} s",
                    "see who does (lsof, fuser), end it, and publish again",
                ) from None
        time.sleep(0.002)


def _set(root: Path, salt: str, count: int) -> str:
    """The name of the folder with the first ``count`` cohorts, which is written if need be."""
    name = {0: "none", COHORTS: "all"}.get(count, f"{salt}-{count / 10:g}")
    folder = root / "sets" / name
    wanted = {str(cohort) for cohort in members(salt, count)}
    if folder.is_dir():
        # A set appears whole, by rename: this only mends one that was damaged.
        found = {path.name for path in folder.iterdir()}
        for stranger in found - wanted:
            (folder / stranger).unlink()
        _fill(folder, sorted(wanted - found))
        return name
    with _whole(root / "sets", name) as staged:
        _fill(staged, sorted(wanted))
    staged.rename(folder)
    return name


def _fill(folder: Path, cohorts: list[str]) -> None:
    """One empty file under many names: a thousand files of their own take seconds on ext4."""
    for number, cohort in enumerate(cohorts):
        if number:
            os.link(folder / cohorts[0], folder / cohort)
        else:
            (folder / cohort).touch()


@contextmanager
def _whole(home: Path, name: str) -> Iterator[Path]:
    """A folder that nobody reads, to be filled and then renamed; it goes if that fails."""
    staged = home / f".{name}-{secrets.token_hex(6)}"
    staged.mkdir()
    try:
        yield staged
        _sync(staged)
    except BaseException:
        _remove(staged)
        raise


def _settled(prepared: Prepared) -> Path:
    """Where a prepared revision belongs: ``42``, or ``42.1`` if 42 was something else before.

    The same number may be published anew, say for a manifest that gained a capability; what readers
    may be in is never changed.
    """
    folder, again = prepared.folder.with_name(str(prepared.revision)), 0
    if not prepared.folder.is_dir():
        raise PublishFailed(prepared.folder, "it is gone", "prepare the revision again")
    wanted = _content(prepared.folder)
    while folder.exists() and _content(folder) != wanted:
        again += 1
        folder = folder.with_name(f"{prepared.revision}.{again}")
    return folder


def _content(folder: Path) -> dict[str, str | bytes]:
    """What a revision consists of."""
    return {
        path.name: str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in folder.iterdir()
        if path.is_symlink() or path.is_file()
    }


def _current(root: Path) -> int | None:
    try:
        number = _number((root / "current").readlink().name)
    except OSError:
        return None
    return number[0] if number else None


def _number(name: str) -> tuple[int, int] | None:
    """The order of a revision's folder, or None for something else."""
    revision, _, again = name.partition(".")
    return (int(revision), int(again or 0)) if revision.isdecimal() else None


def _prune(root: Path, current: int) -> None:
    """Drop what no reader can be in: old revisions, and what killed publishers left behind."""
    revisions = root / "revisions"
    whole: list[tuple[tuple[int, int], Path]] = []
    for folder in revisions.iterdir():
        if number := _number(folder.name):
            whole.append((number, folder))
        elif (number := _number(folder.name[1:].partition("-")[0])) and number[0] < current:
            _remove(folder)
    target = (root / "current").readlink().name
    for _, folder in sorted(whole, reverse=True)[KEPT:]:
        if folder.name != target:
            _remove(folder)
    # Not by glob: since Python 3.13 it takes a folder that it can't read for an empty one, and so
    # every set would look unused.
    links = (
        path for folder in revisions.iterdir() if not folder.is_file() for path in folder.iterdir()
    )
    used = {path.readlink().name for path in links if path.is_symlink()}
    for folder in (root / "sets").iterdir():
        if folder.name not in used:
            _remove(folder)
    for link in root.glob(".current-*"):
        link.unlink()


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
