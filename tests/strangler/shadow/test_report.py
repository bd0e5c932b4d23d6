"""What of a finding is stored, and how findings are put together."""

from __future__ import annotations

import json
from typing import Any

import pytest

from strangler.manifest.jsonpath import parse
from strangler.shadow.compare import ABSENT, Answer, Difference, Kind, Rules, compare
from strangler.shadow.judge import Outcome, Verdict
from strangler.shadow.report import (
    REDACTED,
    Finding,
    Question,
    Signature,
    example,
    report,
    signature,
)

QUESTION = Question(
    "pricing", "POST", "/api/pricing/", "/api/pricing/quote", "application/json", b""
)
REDACT = (parse("$.email"), parse("$.lines[*].card"))


def difference(one: Any, other: Any) -> Difference:
    answers = (Answer(200, "application/json", json.dumps(body).encode()) for body in (one, other))
    return compare(*answers, Rules()).differences[0]


def shown(found: Difference, **question: Any) -> dict[str, Any]:
    known = example(Question(**_as_dict(QUESTION) | question), found, REDACT)
    json.dumps(known)
    return known


def _as_dict(question: Question) -> dict[str, Any]:
    return {name: getattr(question, name) for name in question.__slots__}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"email": "ann@shop"}, {"email": "bob@shop"}),
        ({"email": {"of": "ann@shop"}}, {"email": {"of": "bob@shop"}}),
        ({"lines": [{"card": "ann@shop"}]}, {"lines": [{"card": "bob@shop"}]}),
        ({"lines": [{"card": "ann@shop"}]}, {}),
        ({}, {"email": "bob@shop"}),
    ],
)
def test_redacted_fields_never_get_out(one: Any, other: Any) -> None:
    known = shown(difference(one, other), body=json.dumps({"email": "cara@shop", "n": 1}).encode())
    assert "shop" not in json.dumps(known)
    assert REDACTED in json.dumps(known)
    assert known["body"] == {"email": REDACTED, "n": 1}


def test_a_query_parameter_named_like_a_redacted_field_is_redacted() -> None:
    known = shown(difference({"a": 1}, {"a": 2}), target="/x?email=ann%40shop&page=2")
    assert known["asked"] == f"POST /x?email={REDACTED}&page=2"
    assert shown(difference({"a": 1}, {"a": 2}), target="/x?page=2")["asked"] == "POST /x?page=2"


@pytest.mark.parametrize("name", ["password", "accessToken", "api_key", "X-JWT", "Assertion"])
def test_credentials_never_get_out_though_nobody_named_them(name: str) -> None:
    asked = json.dumps({"deep": [{name: "s3cr3t"}], "n": 1}).encode()
    for one, other in (
        ({name: "s3cr3t"}, {name: "5ecret"}),
        ({name: {"of": ["s3cr3t"]}}, {name: {"of": ["5ecret"]}}),
        ({"a": 1}, {"a": [{"deep": {name: "5ecret"}}]}),
    ):
        known = shown(difference(one, other), target=f"/x?{name}=s3cr3t&page=2", body=asked)
        assert "s3cr3t" not in json.dumps(known)
        assert "5ecret" not in json.dumps(known)
        assert known["asked"] == f"POST /x?{name}={REDACTED}&page=2"
        assert known["body"] == {"deep": [{name: REDACTED}], "n": 1}


def test_a_target_without_credentials_stays_as_it_was_written() -> None:
    target = "/x?b=%7E&&a"
    assert shown(difference({"a": 1}, {"a": 2}), target=target)["asked"] == f"POST {target}"


def test_a_body_that_can_t_be_redacted_is_not_kept() -> None:
    known = shown(difference({"a": 1}, {"a": 2}), body=b"email=ann@shop", content_type="text/plain")
    assert known["body"] == "14 bytes of text/plain"


def test_an_example_is_small() -> None:
    long = {"x": ["y" * 1000] * 100}
    known = shown(
        difference({"a": long}, {"a": 1}), body=json.dumps(long).encode(), target="/" + "z" * 5000
    )
    assert len(json.dumps(known)) < 3000
    assert known["body"] == f"{len(json.dumps(long, separators=(',', ':')))} bytes of JSON"


def test_absent_is_not_null() -> None:
    assert shown(difference({"a": None}, {}))["service"] == {"absent": True}
    assert shown(difference({"a": None}, {}))["monolith"] is None
    assert ABSENT is not None


def test_a_signature_is_the_same_everywhere() -> None:
    verdict = Verdict(Outcome.DIFFERENCE, 200, 200)
    one = signature(QUESTION, verdict, difference({"l": [{"t": 1}]}, {"l": [{"t": 2}]}))
    other = signature(
        QUESTION, verdict, difference({"l": [{"t": 0}, {"t": 1}]}, {"l": [{"t": 0}, {"t": 3}]})
    )
    assert one == other
    assert one.digest == other.digest == "88a51e5e0a15cb51084bf512ddc60e63"
    assert one.digest != signature(QUESTION, verdict, difference({"l": 1}, {"l": None})).digest


def test_a_report_puts_first_what_somebody_must_look_at() -> None:
    def finding(path: str, count: int, explained: str = "") -> Finding:
        known = Signature("GET", "/x/", 200, 200, path, Kind.VALUE)
        return Finding(known, count, ({"asked": "GET /x/"},), explained)

    made = report(
        "pricing",
        tallies=[
            ("GET", "/x/", "match", 10),
            ("GET", "/x/", "timeout", 2),
            ("POST", "/a/", "difference", 3),
            ("GET", "/x/", "match", 5),
        ],
        findings=[finding("$.a", 1), finding("$.b", 7, "a new field"), finding("$.c", 2)],
    )
    assert made.compared == 18
    assert made.outcomes == {Outcome.MATCH: 15, Outcome.DIFFERENCE: 3, Outcome.TIMEOUT: 2}
    assert [(one.method, one.route, one.compared) for one in made.routes] == [
        ("POST", "/a/", 3),
        ("GET", "/x/", 15),
    ]
    assert [one.signature.path for one in made.findings] == ["$.c", "$.a", "$.b"]
    assert [one.signature.path for one in made.unexplained] == ["$.c", "$.a"]
    said = json.loads(json.dumps(made.to_json()))
    assert said["compared"] == 18
    assert said["findings"][0]["path"] == "$.c"
    assert said["findings"][0]["examples"] == [{"asked": "GET /x/"}]
    assert said["routes"][1]["outcomes"] == {"match": 15, "timeout": 2}
