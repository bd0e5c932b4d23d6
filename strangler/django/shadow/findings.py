"""What shadow found, on its way to the control plane's database."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import IntegrityError, models, transaction

from strangler.django import conf
from strangler.django.models import ShadowDifference, ShadowTally
from strangler.django.observing import counters, observations
from strangler.manifest.jsonpath import parse
from strangler.ports import forks
from strangler.shadow.judge import Outcome, Verdict
from strangler.shadow.report import EXAMPLES, SIGNATURES, Question, Signature, example, signature

_KEYS = ("capability", "since_revision", "method", "route", "outcome")
_WAITING = 10_000

_log = logging.getLogger("strangler.shadow")


class _Note(NamedTuple):
    """How one comparison has ended, with an example of each difference or None."""

    capability: str
    method: str
    route: str
    began: float
    outcome: Outcome
    differences: tuple[tuple[Signature, dict[str, Any] | None], ...] = ()


@dataclass(slots=True)
class _Seen:
    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


class Findings:
    """Keeps what was found until it is written; bounded, and the oldest goes first.

    Any thread may call any of it.
    """

    def __init__(self) -> None:
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """What the parent has found, the parent writes."""
        self._notes: deque[_Note] = deque(maxlen=_WAITING)
        self._outcomes: dict[counters.Key, dict[str, int]] = {}
        self._seen: dict[tuple[str, int, Signature], _Seen] = {}
        self._shown: Counter[Signature] = Counter()
        self._failing = False
        self._writing = threading.Lock()

    def drop(self, capability: str, method: str, route: str, began: float) -> None:
        """A comparison was not made, for want of room."""
        self._notes.append(_Note(capability, method, route, began, Outcome.DROPPED))

    def ended(self, question: Question, began: float, outcome: Outcome) -> None:
        """So ended one that has nothing to show."""
        self._notes.append(
            _Note(question.capability, question.method, question.route, began, outcome)
        )

    def note(self, question: Question, began: float, verdict: Verdict) -> None:
        """A comparison of a question that was asked then (``time.monotonic``) has ended so."""
        shadow = conf.manifest().capabilities[question.capability].shadow
        redact = tuple(map(parse, shadow.redact))
        differences = []
        for difference in verdict.differences:
            known = signature(question, verdict, difference)
            self._shown[known] += 1
            wanted = self._shown[known] <= EXAMPLES
            differences.append((known, example(question, difference, redact) if wanted else None))
        self._notes.append(
            _Note(
                question.capability,
                question.method,
                question.route,
                began,
                verdict.outcome,
                tuple(dict(differences).items()),
            )
        )

    def attempt(self) -> None:
        """Write, or say once that it can't be done."""
        try:
            self.flush()
        except Exception as error:  # noqa: BLE001  # the thread must go on
            if not self._failing:
                _log.warning("what the shadow finds can't be written, and is kept: %s", error)
            self._failing = True
        else:
            self._failing = False

    def flush(self) -> None:
        """Write everything.

        Raises:
            django.db.Error: the database is away; what was found is kept.
        """
        with self._writing:
            self._write()

    def _write(self) -> None:
        self._collect()
        using = conf.settings().database
        if self._outcomes:
            counters.add(ShadowTally, _KEYS, self._outcomes, using=using)
            self._outcomes = {}
        for key in list(self._seen):
            with transaction.atomic(using=using):
                _add(*key, self._seen[key], using)
            del self._seen[key]

    def _collect(self) -> None:
        while self._notes:
            note = self._notes[0]
            revision = observations.rung(note.capability, note.began)
            self._notes.popleft()
            key = (note.capability, revision, note.method, note.route, str(note.outcome))
            self._outcomes.setdefault(key, {"count": 0})["count"] += 1
            for known, one in note.differences:
                seen = self._seen.setdefault((note.capability, revision, known), _Seen())
                seen.count += 1
                if one is not None and len(seen.examples) < EXAMPLES:
                    seen.examples.append(one)
        if len(self._shown) > SIGNATURES:
            self._shown.clear()


def _add(capability: str, revision: int, known: Signature, seen: _Seen, using: str) -> None:
    rows = ShadowDifference.objects.using(using).filter(
        capability=capability, since_revision=revision
    )
    this = rows.filter(signature=known.digest)
    more = {"count": models.F("count") + seen.count}
    if not this.update(**more):
        if rows.count() >= SIGNATURES:
            return
        try:
            with transaction.atomic(using=using):
                rows.create(
                    capability=capability,
                    since_revision=revision,
                    signature=known.digest,
                    method=known.method,
                    route=known.route,
                    monolith_status=known.monolith,
                    service_status=known.service,
                    path=known.path,
                    kind=known.kind,
                    count=seen.count,
                    examples=seen.examples,
                )
        except IntegrityError:
            this.update(**more)  # another process has just found the same
        else:
            return
    if seen.examples:
        row = this.only("examples").get()
        if len(row.examples) < EXAMPLES:
            row.examples = [*row.examples, *seen.examples][:EXAMPLES]
            row.save(update_fields=["examples"])
