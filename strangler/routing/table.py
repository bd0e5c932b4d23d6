"""The routing table, as its readers see it: a folder on disk, or the same thing in memory.

::

    table/
      sets/none/  sets/all/  sets/catalog-10/     a file for each cohort, named by its number
      revisions/42/revision                       JSON: the entries of all capabilities
      revisions/42/catalog.queries  -> ../../sets/catalog-10
      revisions/42/catalog.commands -> ../../sets/none
      revisions/42/catalog.closed                 only where it is
      current -> revisions/42

A revision never changes once ``current`` has pointed at it, so a reader asks where ``current``
points, with one system call, and remembers the rest. ``strangler.routing.publish`` writes it.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strangler.ladder import Share, Stage, Standing
from strangler.routing.cohorts import members
from strangler.routing.decide import Kind

FORMAT = 1
"""The number in ``revision`` that says how to read it."""


class TableUnusable(Exception):
    """The routing table can't be asked: calls go to the owner until it is published again."""

    def __init__(self, path: str | Path, found: str) -> None:
        super().__init__(path, found)
        self.path = Path(path)
        self.found = found
        self.remedy = "calls go to the owner until the table is published again: strangler publish"

    def __str__(self) -> str:
        return f"{self.path}: {self.found}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one capability stands, as readers need it.

    ``fallback`` says whether the monolith may answer a query that the service failed to answer,
    ``epoch`` since when the capability has its owner (0 while it has never had another).
    """

    stage: Stage
    percent: int
    held: bool
    killed: bool
    share: Share
    fallback: bool
    epoch: int = 0
    closed: bool = False

    @property
    def standing(self) -> Standing:
        """The rung and its overlays, as the ladder knows them."""
        return Standing(self.stage, self.percent, self.held, self.killed, self.closed)

    def to_json(self) -> dict[str, Any]:
        """What ``revision`` holds for a capability."""
        return {
            "stage": self.stage.value,
            "percent": self.percent,
            "held": self.held,
            "killed": self.killed,
            "queries": self.share.queries,
            "commands": self.share.commands,
            "fallback": self.fallback,
            "epoch": self.epoch,
            "closed": self.closed,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """The reverse of ``to_json``.

        Raises:
            KeyError, TypeError, ValueError: this is no entry.
        """
        return cls(
            stage=Stage(data["stage"]),
            percent=int(data["percent"]),
            held=bool(data["held"]),
            killed=bool(data["killed"]),
            share=Share(queries=int(data["queries"]), commands=int(data["commands"])),
            fallback=bool(data["fallback"]),
            epoch=int(data.get("epoch", 0)),
            closed=bool(data.get("closed", False)),
        )


class Snapshot:
    """One revision in memory: what a request pins, and what stands in for an unusable table."""

    __slots__ = ("_commands", "_entries", "_queries", "_revision")

    def __init__(
        self,
        entries: Mapping[str, Entry],
        *,
        groups: Mapping[str, str] | None = None,
        revision: int = 0,
    ) -> None:
        """``groups`` names the group of each capability that has one."""
        groups = groups or {}
        self._revision = revision
        self._entries = dict(entries)
        self._queries, self._commands = (
            {
                name: members(groups.get(name, name), getattr(entry.share, share))
                for name, entry in entries.items()
            }
            for share in ("queries", "commands")
        )

    @classmethod
    def read(cls, folder: Path) -> Snapshot:
        """A revision as it is on disk.

        Raises:
            TableUnusable: it is not whole.
        """
        snapshot = cls({})
        snapshot._revision, snapshot._entries = _revision(folder / "revision")
        sets: dict[str, frozenset[int]] = {}
        for name, entry in snapshot._entries.items():
            shares = entry.share
            snapshot._queries[name] = _set(folder / f"{name}.queries", shares.queries, sets)
            snapshot._commands[name] = _set(folder / f"{name}.commands", shares.commands, sets)
        return snapshot

    def holds(self, capability: str, kind: Kind, cohort: int) -> bool:
        """Does the service answer this kind of call of this cohort?

        Raises:
            TableUnusable: this revision knows no such capability.
        """
        try:
            if kind is Kind.QUERY:
                return cohort in self._queries[capability]
            return cohort in self._commands[capability]
        except KeyError:
            raise self._unknown(capability) from None

    def entry(self, capability: str) -> Entry:
        """Where a capability stands.

        Raises:
            TableUnusable: this revision knows no such capability.
        """
        try:
            return self._entries[capability]
        except KeyError:
            raise self._unknown(capability) from None

    def entries(self) -> Mapping[str, Entry]:
        """Every capability of this revision."""
        return dict(self._entries)

    def revision(self) -> int:
        """The control plane's number for it."""
        return self._revision

    def _unknown(self, capability: str) -> TableUnusable:
        return TableUnusable(f"revision {self._revision}", f"it knows no capability {capability}")


class Table:
    """The routing table on disk, for readers. Safe to share between threads and across forks.

    Every question asks anew where ``current`` points. What belongs together within one request is
    asked of ``pinned()``, which costs the one system call once.
    """

    __slots__ = ("_again", "_cached", "_link", "_root", "_verify_every")

    def __init__(self, root: str | os.PathLike[str], *, verify_every: float = 1.0) -> None:
        """``verify_every``: seconds after which the files of the revision are read again.

        Without that, damage done to a revision in use would only be noticed at the next start.
        """
        self._root = Path(root).absolute()
        self._link = str(self._root / "current")
        self._verify_every = verify_every
        self._again = 0.0
        self._cached: tuple[str, Snapshot] | None = None

    @property
    def root(self) -> Path:
        """The folder."""
        return self._root

    def pinned(self) -> Snapshot:
        """The current revision, which later flips do not touch.

        Raises:
            TableUnusable: the folder is missing, unreadable or damaged.
        """
        target = self._target()
        cached = self._cached
        if cached is not None and cached[0] == target and time.monotonic() < self._again:
            return cached[1]
        return self._load(target)

    def holds(self, capability: str, kind: Kind, cohort: int) -> bool:
        """Does the service answer this kind of call of this cohort?

        Raises:
            TableUnusable: the folder is missing, unreadable or damaged, or knows it not.
        """
        return self.pinned().holds(capability, kind, cohort)

    def entry(self, capability: str) -> Entry:
        """Where a capability stands.

        Raises:
            TableUnusable: as for ``holds``.
        """
        return self.pinned().entry(capability)

    def entries(self) -> Mapping[str, Entry]:
        """Every capability of the current revision.

        Raises:
            TableUnusable: the folder is missing, unreadable or damaged.
        """
        return self.pinned().entries()

    def revision(self) -> int:
        """The number of the current revision.

        Raises:
            TableUnusable: the folder is missing, unreadable or damaged.
        """
        return self.pinned().revision()

    def _load(self, target: str) -> Snapshot:
        while True:
            try:
                snapshot = Snapshot.read(self._root / target)
            except TableUnusable:
                self._cached = None
                # A reader that was stopped for long may have held a revision that is pruned by now.
                before, target = target, self._target()
                if target == before:
                    raise
                continue
            self._again = time.monotonic() + self._verify_every
            self._cached = (target, snapshot)
            return snapshot

    def _target(self) -> str:
        try:
            return os.readlink(self._link)  # noqa: PTH115  # every call comes here; pathlib is slow
        except OSError as error:
            self._cached = None
            raise TableUnusable(self._link, _said(error)) from error


def _revision(path: Path) -> tuple[int, dict[str, Entry]]:
    try:
        data = json.loads(path.read_bytes())
        if data["format"] == FORMAT:
            entries = {name: Entry.from_json(one) for name, one in data["capabilities"].items()}
            return int(data["revision"]), entries
    except OSError as error:
        raise TableUnusable(path, _said(error)) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TableUnusable(path, f"it is damaged ({type(error).__name__}: {error})") from error
    raise TableUnusable(path, f"its format is {data['format']!r}, and this kit reads {FORMAT}")


def _set(link: Path, count: int, seen: dict[str, frozenset[int]]) -> frozenset[int]:
    try:
        target = str(link.readlink())
        if target not in seen:
            files = os.listdir(link)  # noqa: PTH208  # a thousand names: pathlib takes milliseconds
            seen[target] = frozenset(map(int, files))
    except OSError as error:
        raise TableUnusable(link, _said(error)) from error
    except ValueError as error:
        raise TableUnusable(link, f"a file in it is not named by a cohort ({error})") from error
    if len(seen[target]) != count:
        raise TableUnusable(link, f"{len(seen[target])} cohorts where revision says {count}")
    return seen[target]


def _said(error: OSError) -> str:
    if error.errno == errno.EINVAL:
        return "it is no link"
    return (error.strerror or type(error).__name__).lower()
