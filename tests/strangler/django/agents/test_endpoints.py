"""What an agent may say to the control plane, and who may say it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import django
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError, connections
from django.urls import resolve

from strangler.django.agents import registry, telling
from strangler.django.agents.endpoints import LIMIT
from strangler.django.control_plane import control, state
from strangler.django.models import Agent, ControlPlane, Observation
from strangler.ports.context import Context
from strangler.ports.trust import keys
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import Use, mint
from strangler.routing import news
from strangler.routing.killing import BEYOND
from strangler.routing.news import COUNT, FOLLOW, Counted, Counts, Message, Report
from tests.strangler.django.behind_edge import Edge, Reply

FRONT = Report(name="front", edge="nginx 1.22.1")
ONE = Counted("weather", 1, "service", "query", 40, 5, 2, 1)


@pytest.fixture(autouse=True)
def _parties(tmp_path: Path) -> None:
    """Before the monolith looks who there is."""
    for party in ("edge", "tides", "stranger"):
        keys.generate(tmp_path / "keys", party)


@pytest.fixture
def plane(_parties: None, shop: Edge) -> Edge:
    return shop


def signed(plane: Edge, party: str, message: bytes, path: str, **changes: Any) -> str:
    action = path.rpartition("/")[2]
    asked = {"audience": "monolith", "use": Use.AGENT, "action": action, "once": True}
    ring = Keyring.load(plane.root / "keys", party)
    return mint(ring, Context(hops=1), **{**asked, "body": message, "target": path, **changes})


def post(
    plane: Edge,
    message: Message | bytes,
    *,
    party: str = "edge",
    path: str | None = None,
    token: str | None = None,
    threads: bool = False,
    **changes: Any,
) -> Reply:
    body = message if isinstance(message, bytes) else news.encode(message)
    path = path or (COUNT if isinstance(message, Counts) else FOLLOW)
    if token is None:
        token = signed(plane, party, body, path, **changes)
    headers = {"X-Strangler-Context": token} if token else {}
    more = {"wsgi.multithread": threads}
    return plane.ask("POST", path, {**headers, "Content-Type": "application/json"}, body, **more)


def moved(plane: Edge) -> int:
    control.hold("weather", actor="ann")
    control.resume("weather", actor="ann")
    return state.revision()


def test_what_an_agent_hears(plane: Edge) -> None:
    assert post(plane, FRONT).status == 204, "nothing has ever moved"
    revision = moved(plane)
    said = post(plane, FRONT)
    assert (said.status, said.header("Content-Type")) == (200, "application/json")
    heard = news.news(said.body)
    assert heard.revision == revision
    assert set(heard.entries) == set(heard.since) == {"weather", "tides"}
    again = Report(name="front", table=revision, heard=revision, digest=heard.digest)
    assert post(plane, again).status == 204
    (known,) = registry.seen()
    assert (known.id, known.table, known.heard, known.edge) == (
        "edge/front",
        revision,
        revision,
        "",
    )


@pytest.mark.parametrize("party", ["edge", "weather", "tides", "monolith"])
def test_each_party_has_names_of_its_own(plane: Edge, party: str) -> None:
    post(plane, FRONT)
    assert post(plane, Report(name="front", table=3), party=party).status == 204
    known = {one.id: one.table for one in registry.seen()}
    assert known == {"edge/front": 0} | {f"{party}/front": 3}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"use": Use.PORT}, "good on the port face"),
        ({"use": Use.HTTP}, "good on the http face"),
        ({"action": "count"}, "good for 'count'"),
        ({"action": "weather.degrees"}, "good for 'weather.degrees'"),
        ({"audience": "weather"}, "meant for 'weather'"),
        ({"audience": "edge"}, "meant for 'edge'"),
        ({"body": b"{}"}, "not the one that was signed"),
        ({"target": COUNT}, "not the one that was signed"),
        ({"target": FOLLOW + "?x"}, "not the one that was signed"),
        ({"body": None, "target": None}, "not the one that was signed"),
        ({"once": False}, "a token of its own"),
        ({"now": time.time() - 3600}, "expired"),
        ({"now": time.time() + 3600}, "in the future"),
    ],
)
def test_a_token_for_something_else(plane: Edge, changes: dict[str, Any], why: str) -> None:
    said = post(plane, FRONT, **changes)
    assert (said.status, said.json()["error"]) == (403, "TokenRefused")
    assert why in said.json()["message"]
    assert not registry.seen()


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.e30"])
def test_no_token(plane: Edge, token: str) -> None:
    for message in (FRONT, Counts(name="front", batch=1, counted=())):
        said = post(plane, message, token=token or None) if token else ask_bare(plane, message)
        assert (said.status, said.json()["error"]) == (403, "TokenRefused")
    assert not registry.seen()


def ask_bare(plane: Edge, message: Message) -> Reply:
    path = COUNT if isinstance(message, Counts) else FOLLOW
    return plane.ask("POST", path, {}, news.encode(message))


def test_a_party_without_a_capability_has_no_agent(plane: Edge) -> None:
    said = post(plane, FRONT, party="stranger")
    assert (said.status, said.json()["message"]) == (403, "stranger has no agent here")


def test_a_token_is_good_once(plane: Edge) -> None:
    body = news.encode(FRONT)
    token = signed(plane, "edge", body, FOLLOW)
    assert post(plane, FRONT, token=token).status == 204
    said = post(plane, FRONT, token=token)
    assert (said.status, said.json()["message"]) == (403, "this token has been delivered before")


def test_an_altered_body(plane: Edge) -> None:
    token = signed(plane, "edge", news.encode(FRONT), FOLLOW)
    said = post(plane, Report(name="front", table=9), token=token)
    assert said.status == 403
    assert not registry.seen()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method(plane: Edge, method: str) -> None:
    for path in (FOLLOW, COUNT):
        assert plane.ask(method, path).status == 405


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"{}",
        b'{"name": ""}',
        b'{"name": "a/b"}',
        b'{"name": "../front"}',
        b'{"name": "front\\n"}',
        b'{"name": "' + b"x" * 101 + b'"}',
        b'{"name": "front", "table": -1}',
        b'{"name": "front", "table": 9223372036854775808}',
        b'{"name": "front", "table": 4611686018427387904}',
        b'{"name": "front", "wait": 6}',
        b'{"name": "front", "wait": -1}',
        b'{"name": "front", "refused": "\\u001b[2J"}',
        b'{"name": "front", "refused": "\\u0000"}',
        b'{"name": "front", "refused": "' + b"x" * 2001 + b'"}',
        b'{"name": "front", "edge": "nginx\\u0007"}',
        b"[" * 100_000,
    ],
)
def test_a_report_that_is_none(plane: Edge, body: bytes) -> None:
    said = post(plane, body)
    assert (said.status, said.json()["error"]) == (400, "BadMessage")
    assert not registry.seen()


def test_a_message_that_is_too_large(plane: Edge) -> None:
    said = post(plane, b" " * (LIMIT + 1))
    assert (said.status, said.json()["error"]) == (413, "TooLarge")


def test_no_agent_claims_a_revision_beyond_reason(plane: Edge) -> None:
    """So far ahead that the numbers would end, or that nothing could ever be newer."""
    revision = moved(plane)
    far = Report(name="front", table=revision + registry.FARTHEST + 1)
    said = post(plane, far)
    assert (said.status, said.json()["error"]) == (400, "BadMessage")
    assert str(revision) in said.json()["message"]
    near = Report(name="front", table=revision + 7 * BEYOND)
    assert post(plane, near).status == 200
    assert control.kill("weather", actor="ann").revision == revision + 7 * BEYOND + 1


class TestCounts:
    @pytest.fixture(autouse=True)
    def known(self, plane: Edge) -> None:
        post(plane, FRONT)

    def amounts(self) -> list[tuple[Any, ...]]:
        columns = ("capability", "since_revision", "arm", "kind", "bucket")
        rows = Observation.objects.values_list(*columns, "requests", "failures", "fallbacks")
        return sorted(rows)

    def test_they_are_counted_once(self, plane: Edge) -> None:
        counts = Counts(name="front", batch=7, counted=(ONE,))
        for _ in range(3):
            assert post(plane, counts).status == 204
        assert self.amounts() == [("weather", 1, "service", "query", 40, 5, 2, 1)]
        late = post(plane, Counts(name="front", batch=6, counted=(ONE,)))
        assert (late.status, late.json()) == (200, {"last": 7})
        assert self.amounts()[0][5] == 5, "one that was on its way for long"
        assert post(plane, Counts(name="front", batch=8, counted=(ONE,))).status == 204
        assert self.amounts() == [("weather", 1, "service", "query", 40, 10, 4, 2)]

    def test_each_edge_has_batches_of_its_own(self, plane: Edge) -> None:
        post(plane, Report(name="back"))
        for name in ("front", "back"):
            assert post(plane, Counts(name=name, batch=7, counted=(ONE,))).status == 204
        assert self.amounts()[0][5] == 10

    @pytest.mark.parametrize("party", ["weather", "tides", "monolith"])
    def test_only_edges_answer_clients(self, plane: Edge, party: str) -> None:
        post(plane, FRONT, party=party)
        said = post(plane, Counts(name="front", batch=7, counted=(ONE,)), party=party)
        assert (said.status, said.json()["error"]) == (403, "NoEdge")
        assert self.amounts() == []

    def test_what_nobody_knows_is_left_out(self, plane: Edge) -> None:
        counted = (
            ONE,
            Counted("snow", 1, "service", "query", 40, 5, 0, 0),
            Counted("weather", 1, "moon", "query", 40, 5, 0, 0),
            Counted("weather", 1, "service", "question", 40, 5, 0, 0),
        )
        assert post(plane, Counts(name="front", batch=7, counted=counted)).status == 204
        assert len(self.amounts()) == 1

    @pytest.mark.parametrize(
        "one",
        [
            ["weather", 1, "service", "query", 88, 1, 0, 0],
            ["weather", 1, "service", "query", -1, 1, 0, 0],
            ["weather", -1, "service", "query", 1, 1, 0, 0],
            ["weather", 1, "service", "query", 1, -1, 0, 0],
            ["weather", 1, "service", "query", 1, 2**63 - 1, 0, 0],
            ["weather", 1, "service", "query", 1, 1, 2, 0],
            ["weather", 1, "service", "query", 1, 1, 0, 2],
            ["weather", 1, "service", "query", 1, 1, 0],
            ["weather", 1, "service", "query", 1, 1.5, 0, 0],
            "weather",
        ],
    )
    def test_what_can_not_be_true(self, plane: Edge, one: object) -> None:
        body = json.dumps({"name": "front", "batch": 1, "counted": [one]}).encode()
        said = post(plane, body, path=COUNT)
        assert (said.status, said.json()["error"]) == (400, "BadMessage")
        assert self.amounts() == []

    def test_more_than_a_message_holds(self, plane: Edge) -> None:
        one = ["weather", 1, "service", "query", 1, 1, 0, 0]
        body = {"name": "front", "batch": 1, "counted": [one] * 10_001}
        assert post(plane, json.dumps(body).encode(), path=COUNT).status == 400

    def test_an_agent_that_has_not_reported_keeps_them(self, plane: Edge) -> None:
        counts = Counts(name="new", batch=7, counted=(ONE,))
        said = post(plane, counts)
        assert (said.status, said.json()["error"]) == (409, "NotReported")
        assert self.amounts() == []
        post(plane, Report(name="new"))
        assert post(plane, counts).status == 204
        assert self.amounts()[0][5] == 5


class TestDatabaseAway:
    @pytest.fixture
    def away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object, **__: object) -> None:
            raise OperationalError("connection refused")

        monkeypatch.setattr(Agent.objects, "using", broken)

    @pytest.mark.usefixtures("away")
    def test_it_says_so(self, plane: Edge) -> None:
        for message in (FRONT, Counts(name="front", batch=1, counted=(ONE,))):
            said = post(plane, message)
            assert (said.status, said.json()["error"]) == (503, "ControlPlaneAway")
            assert said.header("Retry-After") == "1"
            assert "connection refused" in said.json()["message"]


class TestWaiting:
    def test_with_one_thread_nobody_waits(self, plane: Edge) -> None:
        began = time.monotonic()
        assert post(plane, Report(name="front", wait=5.0)).status == 204
        assert time.monotonic() - began < 2

    def test_with_several_one_waits_as_long_as_it_wants(self, plane: Edge) -> None:
        began = time.monotonic()
        assert post(plane, Report(name="front", wait=0.3), threads=True).status == 204
        assert time.monotonic() - began >= 0.3

    def test_what_is_new_ends_it(self, plane: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
        """In one thread: the control plane moves between two looks."""
        looks: list[float] = []

        def sleep(seconds: float) -> None:
            looks.append(seconds)
            telling._looking._until = 0.0
            if len(looks) == 3:
                moved(plane)

        monkeypatch.setattr("strangler.django.agents.telling.time.sleep", sleep)
        said = post(plane, Report(name="front", wait=5.0), threads=True)
        assert said.status == 200
        assert news.news(said.body).revision == state.revision()
        assert len(looks) == 3

    @pytest.mark.parametrize("path", [FOLLOW, COUNT])
    def test_its_report_is_seen_while_it_waits(self, plane: Edge, path: str) -> None:
        """Also where every request is one transaction: that would keep all others out."""
        view = resolve(path).func
        assert view._non_atomic_requests == set(connections)  # type: ignore[attr-defined]


def test_a_project_where_everybody_logs_in(plane: Edge, settings: Any) -> None:
    if django.VERSION >= (5, 1):
        last = "django.contrib.auth.middleware.LoginRequiredMiddleware"
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, last]
        plane.handler = WSGIHandler()
    assert post(plane, FRONT).status == 204


def test_news_are_of_one_revision(plane: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody moves between the two questions to the database."""
    moved(plane)
    read_all, others = state.read_all, ["ann"]

    def slow() -> Any:
        read = read_all()
        if others:
            control.kill("weather", actor=others.pop())
        return read

    monkeypatch.setattr(state, "read_all", slow)
    told = telling.news()
    assert told is not None
    assert told.entries["weather"]["killed"]
    assert told.revision == ControlPlane.objects.get().revision


def test_the_middleware_knows_no_edge_in_front(plane: Edge) -> None:
    """Where it is the edge itself, everybody gets here, and proves who he is."""
    odd = [
        "//_strangler/agents/follow",
        "/./_strangler/agents/follow",
        "/x/../_strangler/agents/follow",
    ]
    for path in (FOLLOW, *odd, "/_strangler/agents/follow/", "/_strangler/agents/"):
        said = plane.ask("POST", path, {}, b"{}")
        assert said.status in {400, 403, 404} or "path" in said.json(), path
    assert not registry.seen()
