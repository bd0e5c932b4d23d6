"""What shadow has found: grouped by signature, redacted, with few examples. Prints nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from strangler.manifest.jsonpath import JsonPath, Key
from strangler.ports.credentials import speaks_of_one
from strangler.shadow.compare import ABSENT, Difference, Kind
from strangler.shadow.judge import Outcome, Verdict

EXAMPLES = 5
"""Examples kept for each signature."""
SIGNATURES = 200
"""Signatures kept for each capability; what comes later is only counted in the outcomes."""
REDACTED = "[redacted]"
_LONGEST = 500
_LONGEST_BODY = 2000


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, as far as a report needs it. ``target`` is path and query string."""

    capability: str
    method: str
    route: str
    target: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """What makes two differences the same finding; statuses are 0 where there was no answer."""

    method: str
    route: str
    monolith: int
    service: int
    path: str
    kind: Kind

    @property
    def digest(self) -> str:
        """32 hexadecimal digits that are the same for the same signature, everywhere."""
        said = msgspec.json.encode(
            [self.method, self.route, self.monolith, self.service, self.path, self.kind]
        )
        return hashlib.sha256(said).hexdigest()[:32]


def signature(question: Question, verdict: Verdict, difference: Difference) -> Signature:
    """Under which finding a difference counts."""
    return Signature(
        question.method,
        question.route,
        verdict.monolith,
        verdict.service,
        difference.path[:_LONGEST],
        difference.kind,
    )


def example(
    question: Question, difference: Difference, redact: Sequence[JsonPath]
) -> dict[str, Any]:
    """One case of a finding, ready to be stored as JSON: what was asked, and both values.

    What the manifest says to redact is gone from it, and so is whatever has a name that speaks of a
    credential; and it is of bounded size.
    """
    return {
        "asked": f"{question.method} {_redacted_target(question.target, redact)}"[:_LONGEST],
        "body": _redacted_body(question, redact),
        "where": difference.where[:_LONGEST],
        "monolith": _value(difference.monolith, difference.keys, redact),
        "service": _value(difference.service, difference.keys, redact),
    }


@dataclass(frozen=True, slots=True)
class Finding:
    """One signature with how often it was seen; ``explained`` says why it is as it should be."""

    signature: Signature
    count: int
    examples: tuple[Mapping[str, Any], ...] = ()
    explained: str = ""


@dataclass(frozen=True, slots=True)
class RouteTally:
    """How the comparisons of one route and method have ended."""

    method: str
    route: str
    outcomes: Mapping[Outcome, int]

    @property
    def compared(self) -> int:
        """Those in which both arms have answered."""
        return _compared(self.outcomes)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that shadow knows about one capability, on its present rung."""

    capability: str
    outcomes: Mapping[Outcome, int]
    routes: tuple[RouteTally, ...]
    findings: tuple[Finding, ...]
    rehearsals: tuple[RouteTally, ...] = ()
    """Of commands; ``outcomes`` and ``routes`` are of queries."""

    @property
    def compared(self) -> int:
        """The comparisons in which both arms have answered."""
        return _compared(self.outcomes)

    @property
    def unexplained(self) -> tuple[Finding, ...]:
        """The findings that nobody has explained."""
        return tuple(finding for finding in self.findings if not finding.explained)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON data."""
        return {
            "capability": self.capability,
            "compared": self.compared,
            "outcomes": {str(outcome): count for outcome, count in self.outcomes.items()},
            "routes": [
                {
                    "method": route.method,
                    "route": route.route,
                    "compared": route.compared,
                    "outcomes": {str(key): count for key, count in route.outcomes.items()},
                }
                for route in self.routes
            ],
            "rehearsals": [
                {
                    "method": route.method,
                    "route": route.route,
                    "outcomes": {str(key): count for key, count in route.outcomes.items()},
                }
                for route in self.rehearsals
            ],
            "findings": [
                {
                    "signature": finding.signature.digest,
                    "method": finding.signature.method,
                    "route": finding.signature.route,
                    "monolith_status": finding.signature.monolith,
                    "service_status": finding.signature.service,
                    "path": finding.signature.path,
                    "kind": str(finding.signature.kind),
                    "count": finding.count,
                    "explained": finding.explained,
                    "examples": [dict(one) for one in finding.examples],
                }
                for finding in self.findings
            ],
        }


def report(
    capability: str,
    *,
    tallies: Iterable[tuple[str, str, str, int]],
    findings: Iterable[Finding],
) -> Report:
    """Put together what was stored; ``tallies`` are method, route, outcome, count.

    Unexplained findings come first, the most frequent of them before all others.
    """
    routes: dict[tuple[str, str], dict[Outcome, int]] = {}
    rehearsals: dict[tuple[str, str], dict[Outcome, int]] = {}
    for method, route, said, count in tallies:
        outcome = Outcome(said)
        counts = (rehearsals if outcome.rehearsed else routes).setdefault((method, route), {})
        counts[outcome] = counts.get(outcome, 0) + count
    totals = {
        outcome: total
        for outcome in Outcome
        if (total := sum(counts.get(outcome, 0) for counts in routes.values()))
    }
    return Report(
        capability,
        totals,
        _tallied(routes),
        tuple(
            sorted(findings, key=lambda one: (bool(one.explained), -one.count, one.signature.path))
        ),
        _tallied(rehearsals),
    )


def _tallied(counted: Mapping[tuple[str, str], Mapping[Outcome, int]]) -> tuple[RouteTally, ...]:
    """By route, then by method."""
    ordered = sorted(counted.items(), key=lambda item: (item[0][1], item[0][0]))
    return tuple(RouteTally(method, route, counts) for (method, route), counts in ordered)


def _compared(outcomes: Mapping[Outcome, int]) -> int:
    answered = (Outcome.MATCH, Outcome.IGNORED, Outcome.NOISE, Outcome.DIFFERENCE)
    return sum(outcomes.get(outcome, 0) for outcome in answered)


def _value(value: object, keys: tuple[Key, ...], redact: Sequence[JsonPath]) -> Any:
    """The value as JSON data of bounded size; a longer one as the beginning of its text."""
    if value is ABSENT:
        return {"absent": True}
    kept = _redacted(value, keys, redact)
    text = msgspec.json.encode(kept)
    return kept if len(text) <= _LONGEST else text[:_LONGEST].decode("utf-8", "ignore") + "…"


def _redacted(value: object, keys: tuple[Key, ...], redact: Sequence[JsonPath]) -> object:
    if any(path.covers(keys) for path in redact) or any(
        isinstance(key, str) and speaks_of_one(key) for key in keys
    ):
        return REDACTED
    if isinstance(value, dict):
        return {name: _redacted(item, (*keys, name), redact) for name, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, (*keys, at), redact) for at, item in enumerate(value)]
    return value


def _redacted_body(question: Question, redact: Sequence[JsonPath]) -> Any:
    """The question's own body if it is JSON, since nothing else can be redacted."""
    if not question.body:
        return None
    try:
        body = msgspec.json.decode(question.body)
        text = msgspec.json.encode(_redacted(body, (), redact))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"{len(question.body)} bytes of {question.content_type or 'unknown type'}"[:_LONGEST]
    if len(text) > _LONGEST_BODY:
        return f"{len(text)} bytes of JSON"
    return msgspec.json.decode(text)


def _redacted_target(target: str, redact: Sequence[JsonPath]) -> str:
    """The target, without the query parameters that are named like what is redacted in a body."""
    path, _, query = target.partition("?")
    names = {path.name for path in redact}
    given = parse_qsl(query, keep_blank_values=True)
    pairs = [
        (name, REDACTED if name in names or speaks_of_one(name) else value) for name, value in given
    ]
    return f"{path}?{urlencode(pairs, safe='[]')}" if pairs != given else target
