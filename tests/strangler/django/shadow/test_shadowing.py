"""What clients get from the monolith, compared with what the service would have said."""

from __future__ import annotations

import itertools
import json
import logging
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError

from strangler.django.models import ShadowDifference, ShadowTally
from strangler.django.observing import observations
from strangler.django.shadow import asking, findings, shadowing
from strangler.ladder import Stage
from strangler.ports.headers import face
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import Use, verify
from strangler.shadow import judge as judging
from tests.strangler.django import faults as bad
from tests.strangler.django.behind_edge import Edge
from tests.strangler.django.faults import Seen, reply

ROME = {"wind": {"knots": 7, "from": "NW"}, "degrees": 21, "place": "rome"}


class Inline:
    """Does at once, in the request's thread, what the tee would do later in its own."""

    def __init__(self) -> None:
        self.works: list[asking.Work] = []
        self.room = True

    @property
    def full(self) -> bool:
        return not self.room

    def offer(self, work: asking.Work) -> bool:
        if self.room:
            self.works.append(work)
            shadowing.compare(work)
        return self.room


@pytest.fixture
def tee(shop: Edge, monkeypatch: pytest.MonkeyPatch) -> Inline:
    """Everything is compared, and nothing is looked at twice unless it differs."""
    inline = Inline()
    kept = findings.Findings()
    monkeypatch.setattr(shadowing, "tee", lambda: inline)
    monkeypatch.setattr(shadowing, "findings", lambda: kept)
    # The connection belongs to the test, which needs it afterwards.
    monkeypatch.setattr(shadowing, "close_old_connections", lambda: None)
    monkeypatch.setattr(judging, "REPEATED", 0.0)
    observations.reset()
    shop.begin(sample=1.0)
    shop.stand(Stage.SHADOW)
    shop.service.behave = reply(200, ROME)
    return inline


def tallies() -> dict[str, int]:
    shadowing.flush()
    return {row.outcome: row.count for row in ShadowTally.objects.all()}


def differences() -> list[ShadowDifference]:
    shadowing.flush()
    return list(ShadowDifference.objects.order_by("path"))


def test_a_match(shop: Edge, tee: Inline) -> None:
    answer = shop.ask("GET", "/weather/rome?days=3", {"Cookie": "a=b", "Accept-Encoding": "gzip"})
    assert answer.arm == "monolith"
    assert tallies() == {"match": 1}
    (row,) = ShadowTally.objects.all()
    assert (row.capability, row.method, row.route) == ("weather", "GET", "/weather/")
    (seen,) = shop.service.seen
    assert (seen.method, seen.target, seen.header("Cookie")) == (
        "GET",
        "/weather/rome?days=3",
        None,
    )
    assert seen.header("Accept-Encoding") is None
    assert shop.asked == [("GET", "/weather/rome")]


def test_the_service_knows_that_it_is_a_shadow(shop: Edge, tee: Inline) -> None:
    shop.ask("GET", "/weather/rome", {"X-Tenant": "acme"})
    context = verify(
        Keyring.load(shop.root / "keys", "weather"),
        shop.service.seen[0].header("X-Strangler-Context") or "",
        use=Use.HTTP,
        action=face("weather", "GET"),
    )
    assert (context.shadow, context.hops) == (True, 1)
    assert context.cohort == tee.works[0].context.cohort


def test_a_difference_is_found_redacted_and_counted(shop: Edge, tee: Inline) -> None:
    wrong = ROME | {"degrees": 20, "wind": {"knots": 7, "from": "NW", "gusts": 9}, "secret": "x"}
    shop.service.behave = reply(200, wrong)
    for _ in range(8):
        shop.ask("GET", "/weather/rome?secret=s3cr3t")
    assert tallies() == {"difference": 8}
    degrees, secret, gusts = differences()
    assert (degrees.path, degrees.kind, degrees.count) == ("$.degrees", "value", 8)
    assert (gusts.path, gusts.kind) == ("$.wind.gusts", "schema")
    assert (degrees.monolith_status, degrees.service_status, degrees.route) == (
        200,
        200,
        "/weather/",
    )
    assert len(degrees.examples) == 5
    assert degrees.examples[0] == {
        "asked": "GET /weather/rome?secret=[redacted]",
        "body": None,
        "where": "$.degrees",
        "monolith": 21,
        "service": 20,
    }
    assert secret.examples[0]["service"] == "[redacted]"
    # Once to the client, and once more for each doubt.
    assert len(shop.asked) == 16
    assert shop.service.hits == 16
    shop.ask("GET", "/weather/rome")
    assert differences()[0].count == 9


def test_a_declared_post_is_asked_with_its_body(shop: Edge, tee: Inline) -> None:
    shop.service.behave = reply(200, {"found": "else"})
    answer = shop.ask("POST", "/weather/search", {"Content-Type": "text/plain"}, b"rome")
    assert answer.json() == {"found": "rome"}
    assert [(seen.method, seen.body) for seen in shop.service.seen] == [("POST", b"rome")] * 2
    (found,) = differences()
    assert (found.path, found.examples[0]["body"]) == ("$.found", "4 bytes of text/plain")
    assert tallies() == {"difference": 1}


def test_a_post_without_a_content_type_is_asked_without_one(shop: Edge, tee: Inline) -> None:
    shop.ask("POST", "/weather/search", body=b"rome")
    seen = shop.service.seen[0]
    assert (seen.body, seen.header("Content-Type")) == (b"rome", None)


@pytest.mark.parametrize("name", ["Content-Type", "Accept", "X-Tenant"])
def test_a_question_that_can_t_be_put_as_it_was_is_not_compared(
    shop: Edge, tee: Inline, name: str
) -> None:
    assert shop.ask("POST", "/weather/search", {name: "caf\xe9"}, b"rome").status < 500
    assert tee.works == []
    assert shop.service.seen == []
    # A service gets no cookies, so they need not fit.
    shop.ask("POST", "/weather/search", {"Cookie": "a=caf\xe9"}, b"rome")
    assert len(tee.works) == 1
    assert shop.service.seen


def test_noise_is_no_difference(shop: Edge, tee: Inline) -> None:
    number = itertools.count()

    def behave(peer: Any, seen: Seen) -> None:
        reply(200, {"place": "here", "noise": next(number)})(peer, seen)

    shop.service.behave = behave
    shop.ask("GET", "/weather/clock")
    assert tallies() == {"noise": 1}
    assert differences() == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_commands_and_what_has_no_answer_are_not(shop: Edge, tee: Inline, method: str) -> None:
    shop.ask(method, "/weather/rome", body=b"x")
    assert shop.service.hits == 0
    assert tallies() == {}


@pytest.mark.parametrize(
    ("stage", "percent", "hits"),
    [
        (Stage.MONOLITH, 0, 0),
        (Stage.REPLICATING, 0, 0),
        (Stage.SHADOW, 0, 1),
        (Stage.CANARY, 1, 1),
        (Stage.LIVE, 0, 0),
    ],
)
def test_only_on_the_rungs_that_compare(
    shop: Edge, tee: Inline, stage: Stage, percent: int, hits: int
) -> None:
    shop.stand(stage, percent, tables=True)
    shop.ask("GET", "/weather/rome", {"X-Tenant": "not in the first percent"})
    assert len(tee.works) == hits


@pytest.mark.parametrize(
    "header", ["Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Range"]
)
def test_a_question_about_a_copy_that_the_client_has_is_not_compared(
    shop: Edge, tee: Inline, header: str
) -> None:
    shop.ask("GET", "/weather/rome", {header: "x"})
    assert tee.works == []


def test_what_the_service_failed_to_answer_is_not_asked_of_it_again(
    shop: Edge, tee: Inline
) -> None:
    shop.stand(Stage.CANARY, 100)
    shop.service.behave = reply(503)
    assert shop.ask("GET", "/weather/rome").reason == "fallback"
    assert (tee.works, shop.service.hits) == ([], 1)


def test_what_carries_the_mark_is_never_teed_again(shop: Edge, tee: Inline) -> None:
    token = shop.token(hops=1, shadow=True)
    assert shop.ask("GET", "/weather/rome", {"X-Strangler-Context": token}).status == 200
    carried = shop.token(hops=1)
    assert shop.ask("GET", "/weather/rome", {"X-Strangler-Context": carried}).status == 200
    assert tee.works == []


def test_who_the_project_refuses_is_not_compared(shop: Edge, tee: Inline, settings: Any) -> None:
    """The edge would refuse him too, and a service that knows nobody differs in that."""
    settings.STRANGLER = settings.STRANGLER | {"IDENTIFY": "tests.assets.sky.habits.by_name"}
    for who in ("nobody", "cara"):
        shop.ask("GET", "/weather/rome", {"X-Who": who})
    assert len(tee.works) == 1


def test_a_sample_is_a_sample(shop: Edge, tee: Inline) -> None:
    shop.begin(sample=0.25)
    for _ in range(200):
        shop.ask("GET", "/weather/rome")
    assert 20 < len(tee.works) < 90


def test_a_fault_of_the_shadow_is_no_client_s(
    shop: Edge, tee: Inline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for where in ("Question", "chosen"):
        with monkeypatch.context() as broken:
            broken.setattr(shadowing, where, _fail)
            assert shop.ask("GET", "/weather/rome").status == 200
    assert caplog.text.count("is not compared") == 2


def test_what_finds_no_room_is_counted(shop: Edge, tee: Inline) -> None:
    tee.room = False
    assert shop.ask("GET", "/weather/rome").status == 200
    assert tallies() == {"dropped": 1}


@pytest.mark.parametrize(
    ("behave", "outcome"),
    [
        (bad.hang, "timeout"),
        (bad.drip_body, "timeout"),
        (bad.close, "candidate_error"),
        (bad.garbage, "candidate_error"),
        (reply(500, {}), "candidate_error"),
        (reply(503, {}, "X-Strangler-Executed: no"), "candidate_error"),
    ],
)
def test_a_service_that_fails_harms_nobody(
    shop: Edge, tee: Inline, behave: bad.Behave, outcome: str
) -> None:
    if outcome == "timeout":
        shop.begin(timeout="400ms")
    shop.service.behave = behave
    answer = shop.ask("GET", "/weather/rome")
    assert (answer.status, answer.arm) == (200, "monolith")
    assert tallies() == {outcome: 1}


def test_a_failure_of_the_monolith_is_not_compared(shop: Edge, tee: Inline) -> None:
    user = get_user_model().objects
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(user), "create", _fail)
        assert shop.ask("GET", "/weather/write").status == 500
    assert tee.works == []


def _fail(*_: object, **__: object) -> None:
    raise OperationalError("planted")


def test_a_second_question_changes_nothing(shop: Edge, tee: Inline) -> None:
    """A view that writes, though it is asked by GET: once for the client, and never again."""
    shop.service.behave = reply(200, {"place": "nowhere"})
    shop.ask("GET", "/weather/write")
    assert shop.asked == [("GET", "/weather/write")] * 2
    assert get_user_model().objects.count() == 1


def test_a_squeezed_answer_is_compared_as_what_it_says(shop: Edge, tee: Inline) -> None:
    shop.service.behave = reply(200, {"found": "x" * 1000})
    gzipped = {"Accept-Encoding": "gzip", "Content-Type": "text/plain"}
    answer = shop.ask("POST", "/weather/search", gzipped, b"x" * 1000)
    assert answer.header("Content-Encoding") == "gzip"
    assert tallies() == {"match": 1}


class TestFindings:
    def test_they_are_kept_while_the_database_is_away(
        self,
        shop: Edge,
        tee: Inline,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        shop.service.behave = reply(200, {"place": "elsewhere"})
        shop.ask("GET", "/weather/rome")
        kept = shadowing.findings()
        with monkeypatch.context() as away, caplog.at_level(logging.WARNING):
            away.setattr("strangler.django.observing.counters.add", _fail)
            for _ in range(3):
                kept.attempt()
        assert caplog.text.count("can't be written") == 1
        shop.ask("GET", "/weather/rome")
        assert tallies() == {"difference": 2}
        assert [one.count for one in differences()] == [2, 2, 2]

    def test_they_count_for_the_rung_on_which_they_were_asked(
        self, shop: Edge, tee: Inline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(observations, "rung", lambda capability, began: 7)
        shop.ask("GET", "/weather/rome")
        shadowing.flush()
        assert ShadowTally.objects.get().since_revision == 7

    def test_there_is_an_end_to_them(
        self, shop: Edge, tee: Inline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(findings, "SIGNATURES", 4)
        for number in range(8):
            shop.service.behave = reply(200, ROME | {f"extra{number}": number})
            shop.ask("GET", "/weather/rome")
            shadowing.flush()
        assert ShadowDifference.objects.count() == 4
        assert tallies() == {"difference": 8}

    def test_a_process_that_comes_second_adds_to_the_first(
        self, shop: Edge, tee: Inline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop.service.behave = reply(200, ROME | {"degrees": 1})
        for _ in range(2):
            kept = findings.Findings()
            monkeypatch.setattr(shadowing, "findings", lambda kept=kept: kept)
            for _ in range(3):
                shop.ask("GET", "/weather/rome")
            shadowing.flush()
        (row,) = ShadowDifference.objects.all()
        assert (row.count, len(row.examples)) == (6, 5)
        assert json.dumps(row.examples)
