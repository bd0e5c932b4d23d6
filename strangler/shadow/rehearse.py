"""How a command's rehearsal compares with what the command has done.

The rows that the service would have written are held against those that were delivered to it, and
what it would have answered against what the client got. What both made under keys of the database's
own is matched by table and order. What differs from itself, from one run to the other, means
nothing. Where anybody else has written meanwhile, a difference may be theirs: then it counts for
nothing either way.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from strangler.manifest.jsonpath import Key
from strangler.ports.rehearsal import Rehearsed, Run, Shape, Told, Written
from strangler.shadow import answers
from strangler.shadow.compare import ABSENT, Difference, Kind, Rules, render
from strangler.shadow.judge import Outcome, Verdict
from strangler.shadow.noise import Noise, within

_STATUS: Final = "status"
Mapped = Mapping[str, Collection[str]]
"""The columns of each of the service's tables that the maps name: no others are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """What the command has done on the monolith.

    Attributes:
        status: of its answer.
        said: the name of the error that it declares; "" for none.
        told: the answer itself; None for what can't be compared.
        written: the service's rows that it was, once delivered.
        before: the number of the last batch before it was delivered; None if nothing of it was.
        others: the number of the last batch, up to its last, in which anybody else had written.
        meanwhile: whether the journal says that anybody else had written since it began.
    """

    status: int
    said: str = ""
    told: Told | None = None
    written: Sequence[Written] = ()
    before: int | None = None
    others: int = 0
    meanwhile: bool = False


def judge(
    rehearsed: Rehearsed,
    executed: Executed,
    *,
    route: str,
    mapped: Mapped,
    rules: Rules,
    noise: Noise,
) -> Verdict:
    """How the service's rehearsal of a command compares with it."""
    run, *others = rehearsed.runs
    if any(one.impossible for one in rehearsed.runs):
        return Verdict(Outcome.UNREHEARSED, executed.status, run.status)
    verdict = Verdict(Outcome.AGREED, executed.status, run.status)
    comparing = _Comparing(rehearsed.tables, mapped)
    names = route, f"{route} answer"
    found = dict(zip(names, _found(executed, run, comparing, rules), strict=True))
    itself: dict[str, set[str]] | None = None
    if others and others[-1].ended == run.began:  # nobody came in between
        kinds = comparing.between(others[-1], run, rules)
        itself = {name: {one.path for one in kind} for name, kind in zip(names, kinds, strict=True)}
        for name, paths in itself.items():
            noise.repeated(name, paths)
    if not _raced(run, executed):
        for name, differing in found.items():
            noise.compared(name, {one.path for one in differing})
    made = comparing.made(executed.written, run.written)
    left = tuple(
        one
        for name, differing in found.items()
        for one in differing
        if not _means_nothing(one, name, run, (itself or {}).get(name, set()), noise)
        and not (one.kind is Kind.ANSWER and answers.same(one, made, run.moment))
    )
    if left:
        undecided = _raced(run, executed) or itself is None
        outcome = Outcome.RACED if undecided else Outcome.DISAGREED
        return Verdict(outcome, executed.status, run.status, () if undecided else left)
    if not any(comparing.counts(one) for one in (*run.written, *executed.written)):
        return Verdict(Outcome.IDLE, executed.status, run.status)
    return verdict


def merged(written: Iterable[Written]) -> list[Written]:
    """What came in several parts, as one: each row from what it was to what it is."""
    found: dict[tuple[str, str], Written] = {}
    for one in written:
        key = one.table, json.dumps(one.key)
        if key in found:
            one = Written(one.table, one.key, found[key].before, one.after)  # noqa: PLW2901
        found[key] = one
    return [one for one in found.values() if one.before != one.after]


def _raced(run: Run, executed: Executed) -> bool:
    """Did the service have other rows before it than the monolith, or may it have had?"""
    if executed.meanwhile or run.began != run.ended:
        return True
    if executed.before is None:
        return False
    return run.ended > executed.before or executed.others > run.began


def _found(
    executed: Executed, run: Run, comparing: _Comparing, rules: Rules
) -> tuple[list[Difference], list[Difference]]:
    """What differs in the rows, and in the answer; no rows where its status is another."""
    ours, theirs = (f"{one.status} {one.said}".rstrip() for one in (executed, run))
    if ours != theirs:
        return [], [Difference(Kind.ANSWER, _STATUS, _STATUS, ours, theirs)]
    rows, said = comparing.between(executed, run, rules)
    return [one for one in rows if not any(path.covers(one.keys) for path in rules.ignore)], said


def _means_nothing(
    one: Difference, route: str, run: Run, itself: Collection[str], noise: Noise
) -> bool:
    if one.kind is Kind.ROW or one.path == _STATUS:
        return False
    return (
        any(within(one.path, path) for path in itself)
        or noise.means_nothing(route, one.path)
        or (one.kind is Kind.COLUMN and bool(run.moment) and one.service == run.moment)
    )


class _Comparing:
    """Rows of the monolith's making with rows of the service's."""

    def __init__(self, shapes: Mapping[str, Shape], mapped: Mapped) -> None:
        self._shapes = shapes
        self._mapped = mapped

    def between(
        self, one: Executed | Run, other: Run, rules: Rules
    ) -> tuple[list[Difference], list[Difference]]:
        """What differs in the rows, and in the answer."""
        rows = list(self.differences(one.written, other.written))
        return rows, answers.differences(one.told, other.told, rules)

    def counts(self, one: Written) -> bool:
        """Is it another row than it was, in a column that is compared?"""
        if one.table not in self._mapped:
            return False
        return self._kept(one.table, one.before) != self._kept(one.table, one.after)

    def differences(
        self, monolith: Iterable[Written], service: Iterable[Written]
    ) -> Iterator[Difference]:
        theirs, ours = self._by_key(monolith), self._by_key(service)
        pairs = [(theirs.pop(key), ours.pop(key)) for key in list(theirs) if key in ours]
        made = self._made(theirs, ours)
        pairs += [(theirs.pop(key), ours.pop(other)) for key, other in made]
        known = {other: json.loads(key[1])[0] for key, other in made}
        for one in theirs.values():
            yield self._row(one.table, self._kept(one.table, one.after), ABSENT, one)
        for one in ours.values():
            yield self._row(one.table, ABSENT, self._kept(one.table, one.after), one)
        for one, other in pairs:
            yield from self._columns(one, other, known)

    def _by_key(self, written: Iterable[Written]) -> dict[tuple[str, str], Written]:
        return {(one.table, json.dumps(one.key)): one for one in written if self.counts(one)}

    def made(self, monolith: Iterable[Written], service: Iterable[Written]) -> answers.Made:
        """The keys of such rows: the monolith's, and the service's."""
        pairs = self._made(self._by_key(monolith), self._by_key(service))
        return {(json.loads(key[1])[0], json.loads(other[1])[0]) for key, other in pairs}

    def _made(
        self,
        theirs: Mapping[tuple[str, str], Written],
        ours: Mapping[tuple[str, str], Written],
    ) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        """Rows that are new on both sides, and have keys of the database's own making."""
        found = []
        for table, shape in self._shapes.items():
            if shape.numbered:
                found += list(
                    zip(_new(theirs, table), _new(ours, table), strict=False)  # the rest differs
                )
        return found

    def _columns(
        self, one: Written, other: Written, known: Mapping[tuple[str, str], Any]
    ) -> Iterator[Difference]:
        table = one.table
        ours, theirs = self._kept(table, other.after), self._kept(table, one.after)
        if ours is None or theirs is None:
            if ours != theirs:
                yield self._row(table, theirs or ABSENT, ours or ABSENT, one)
            return
        shape = self._shapes.get(table, Shape([]))
        for column in theirs:
            value = ours.get(column, ABSENT)
            if column in shape.references:
                value = known.get(
                    (shape.references[column], json.dumps([value], default=str)), value
                )
            if value != theirs[column] and not (column in shape.key and one.key != other.key):
                keys: tuple[Key, ...] = (table, column)
                where = f"{render(keys)} of {json.dumps(one.key)}"
                yield Difference(Kind.COLUMN, render(keys), where, theirs[column], value, keys)

    def _kept(self, table: str, row: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """The columns that are compared."""
        if row is None:
            return None
        return {name: row[name] for name in sorted(self._mapped.get(table, ())) if name in row}

    @staticmethod
    def _row(table: str, monolith: object, service: object, one: Written) -> Difference:
        keys: tuple[Key, ...] = (table,)
        where = f"{render(keys)} of {json.dumps(one.key)}"
        return Difference(Kind.ROW, render(keys), where, monolith, service, keys)


def _new(rows: Mapping[tuple[str, str], Written], table: str) -> list[tuple[str, str]]:
    """In the order of their keys, which are numbers."""
    new = [key for key, one in rows.items() if one.table == table and one.before is None]
    return sorted(new, key=lambda key: rows[key].key)
