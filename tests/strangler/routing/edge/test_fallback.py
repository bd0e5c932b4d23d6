"""What a client gets, and how often each arm is asked, whatever way a service fails.

No command is ever executed twice: an arm that was sent one has done it, for all we know.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import pytest

from strangler.routing.nginx.failing import WAITS
from tests.strangler.django.faults import (
    Behave,
    Seen,
    close,
    half,
    half_headers,
    hang,
    reply,
    reset,
)
from tests.strangler.routing.edge.front import Answer, System, service, system

ONE = """
[capability.{name}]
context  = "{name}"
owner    = "team"
contract = "{name}:Port"
service  = {service}
routes   = ["/{name}/"]
queries  = ["POST /{name}/ask", "PUT /{name}/ask", "DELETE /{name}/ask"]
{tables}

[capability.{name}.resilience]
timeout  = "{patience}"
breaker.failures = 1000
"""
TABLES = 'transfer = "x:tables"'
NOBODY = '["http://127.0.0.1:9"]'
ALIVE = '["{service}"]'
SOME = '["http://127.0.0.1:9", "{service}", "http://127.0.0.1:7"]'
TWIN = '["{service}", "http://localhost:{port}"]'
TEXT = "[edge]\nmonolith = 'http://127.0.0.1:9'\nsticky = {sticky}\n" + "".join(
    ONE.format(
        name=name,
        service=service,
        tables=tables,
        patience="100ms" if name.startswith("slow") else "9s",
    )
    for name, service, tables in [
        ("plain", ALIVE, ""),
        ("rows", ALIVE, TABLES),
        ("gone", ALIVE, TABLES),
        ("deadplain", NOBODY, ""),
        ("deadrows", NOBODY, TABLES),
        ("deadgone", NOBODY, TABLES),
        ("some", SOME, TABLES),
        ("twin", TWIN, TABLES),
        ("slowplain", ALIVE, ""),
        ("slowrows", ALIVE, TABLES),
        ("slowgone", ALIVE, TABLES),
    ]
)
QUERIES = [("GET", "x"), ("HEAD", "x"), ("OPTIONS", "x")] + [
    (method, "ask") for method in ("POST", "PUT", "DELETE")
]
COMMANDS = [(method, "x") for method in ("POST", "PUT", "PATCH", "DELETE")]
# Not what is no HTTP at all: NGINX takes it for an answer of HTTP/0.9, and passes it on.
CUT: list[Behave] = [close, reset, half_headers]
SAID = [500, 501, 429, 404, 401, 403, 409, 418]
AWAY = [502, 503, 504]
ME = {"Cookie": "strangler_cohort=7"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    gone = frozenset({"gone", "deadgone", "slowgone"})
    with system(tmp_path_factory.mktemp("edge"), text=TEXT, retired=gone) as made:
        made.stand(1000)
        yield made


@pytest.fixture
def edge(running: System) -> System:
    running.reset()
    return running


class Hits(NamedTuple):
    service: int
    monolith: int


def ask(edge: System, name: str, method: str, path: str) -> tuple[Answer, Hits]:
    edge.service.seen.clear()
    edge.monolith.seen.clear()
    body = b"{}" if method in {"POST", "PUT", "PATCH"} else b""
    answer = edge.ask(method, f"/{name}/{path}", ME, body)
    sent = [one for one in (*edge.service.seen, *edge.asked) if one.method == method]
    assert len(sent) == edge.service.hits + len(edge.asked)
    assert all(one.body == body for one in sent)
    return answer, Hits(edge.service.hits, len(edge.asked))


def by_monolith(answer: Answer, method: str) -> bool:
    assert answer.reason == "fallback"
    assert answer.arm == "monolith"
    return answer.status == 200 and (method == "HEAD" or answer.json()["arm"] == "monolith")


def untouched(answer: Answer, method: str) -> bool:
    """Nothing has happened, and the client knows."""
    assert answer.header("Retry-After") == "1"
    assert answer.header("X-Strangler-Executed") == "no"
    assert answer.arm is None
    return answer.status == 503 and (method == "HEAD" or answer.json()["error"] == "Unavailable")


def unsure(answer: Answer, status: int) -> bool:
    """Something may have happened, and the client knows."""
    assert answer.header("Retry-After") == "1"
    assert answer.header("X-Strangler-Executed") is None
    assert answer.arm is None
    return answer.status == status


@pytest.mark.parametrize("name", ["plain", "rows"])
@pytest.mark.parametrize(("method", "path"), QUERIES)
def test_a_query_that_fails_is_the_monolith_s(
    edge: System, name: str, method: str, path: str
) -> None:
    for behave in [*CUT, hang, *(reply(status, {}) for status in AWAY)]:
        edge.service.behave = behave
        answer, hits = ask(edge, f"slow{name}" if behave is hang else name, method, path)
        assert by_monolith(answer, method), behave
        # On a connection that was kept it is asked once more: the service may have been closing it.
        assert hits in {Hits(1, 1), Hits(2, 1)}, behave
    answer, hits = ask(edge, f"dead{name}", method, path)
    assert by_monolith(answer, method)
    assert hits == Hits(0, 1)


@pytest.mark.parametrize(("method", "path"), [*QUERIES, *COMMANDS])
def test_what_a_service_has_to_say_is_passed_on(edge: System, method: str, path: str) -> None:
    for name in ("plain", "rows", "gone"):
        for status in SAID:
            edge.service.behave = reply(status, {"said": status}, "X-Own: yes")
            answer, hits = ask(edge, name, method, path)
            assert (answer.status, answer.arm, answer.header("X-Own")) == (status, "service", "yes")
            assert method == "HEAD" or answer.json() == {"said": status}
            assert hits == Hits(1, 0)


@pytest.mark.parametrize(("method", "path"), [*QUERIES, *COMMANDS])
def test_an_answer_that_breaks_off_is_seen_to(edge: System, method: str, path: str) -> None:
    """Its beginning was with the client already."""
    edge.service.behave = half
    answer, hits = ask(edge, "plain", method, path)
    assert (answer.status, answer.whole) == (200, method == "HEAD")
    assert hits == Hits(1, 0)


@pytest.mark.parametrize("name", ["plain", "rows", "gone", "twin"])
@pytest.mark.parametrize(("method", "path"), COMMANDS)
def test_a_command_is_sent_once(edge: System, name: str, method: str, path: str) -> None:
    for behave in CUT:
        edge.service.behave = behave
        answer, hits = ask(edge, name, method, path)
        assert unsure(answer, 502), behave
        assert hits == Hits(1, 0), behave
    for status in AWAY:
        edge.service.behave = reply(status, {})
        answer, hits = ask(edge, name, method, path)
        assert unsure(answer, status)
        assert hits == Hits(1, 0)


@pytest.mark.parametrize(("method", "path"), COMMANDS)
def test_a_command_that_takes_too_long_is_not_sent_again(
    edge: System, method: str, path: str
) -> None:
    edge.service.behave = hang
    answer, hits = ask(edge, "slowplain", method, path)
    assert unsure(answer, 504)
    assert hits == Hits(1, 0)


@pytest.mark.parametrize(("method", "path"), COMMANDS)
def test_a_command_that_nobody_got_goes_where_it_may(edge: System, method: str, path: str) -> None:
    answer, hits = ask(edge, "deadplain", method, path)
    assert by_monolith(answer, method)  # no tables: either arm may
    assert hits == Hits(0, 1)
    for name in ("deadrows", "deadgone"):
        answer, hits = ask(edge, name, method, path)
        assert untouched(answer, method)
        assert hits == Hits(0, 0)
    full = reply(503, {"error": "Busy"}, "X-Strangler-Executed: no")
    for name, may in [("plain", True), ("gone", False)]:
        edge.service.behave = full
        answer, hits = ask(edge, name, method, path)
        assert (by_monolith if may else untouched)(answer, method)
        assert hits == Hits(1, 1 if may else 0)


@pytest.mark.parametrize(("method", "path"), [*QUERIES, *COMMANDS])
def test_a_replica_that_is_gone_is_passed_over(edge: System, method: str, path: str) -> None:
    for _ in range(6):
        answer, hits = ask(edge, "some", method, path)
        assert (answer.status, answer.arm, hits) == (200, "service", Hits(1, 0))


@pytest.mark.parametrize(("method", "path"), QUERIES)
def test_the_monolith_does_not_answer_for_what_is_retired(
    edge: System, method: str, path: str
) -> None:
    for behave, status in [(close, 502), (hang, 504), *((reply(one, {}), one) for one in AWAY)]:
        edge.service.behave = behave
        answer, hits = ask(edge, "slowgone" if behave is hang else "gone", method, path)
        assert unsure(answer, status), behave
        assert hits.monolith == 0
    answer, hits = ask(edge, "deadgone", method, path)
    assert untouched(answer, method)
    assert hits == Hits(0, 0)


@pytest.mark.parametrize(("method", "path"), COMMANDS)
def test_whoever_does_not_own_passes_it_on_once(edge: System, method: str, path: str) -> None:
    edge.service.behave = reply(421, {}, "X-Strangler-Owner: monolith", "X-Strangler-Executed: no")
    answer, hits = ask(edge, "rows", method, path)
    assert (answer.status, answer.arm, answer.reason) == (200, "monolith", "carried")
    assert hits == Hits(1, 1)


def test_a_command_that_no_door_has_room_for_waits_and_is_sent_again(edge: System) -> None:
    """The owner changes: each of the two says that it does nothing."""
    full = reply(503, {"error": "DoorShut"}, "X-Strangler-Executed: no", "Retry-After: 1")
    astray = reply(421, {"error": "NotOwner"}, "X-Strangler-Executed: no")
    tokens = edge.monolith.behave
    for share, first in [(0, full), (0, astray), (1000, full), (1000, astray)]:
        edge.stand(share)
        answers = [full, tokens]
        if share:
            edge.service.behave = first
        else:
            answers.insert(0, first)
        edge.monolith.behave = partial(_one_by_one, tokens, iter(answers))
        began = time.monotonic()
        answer, hits = ask(edge, "rows", "PUT", "x")
        assert (answer.status, answer.arm, answer.reason) == (200, "monolith", "carried")
        assert hits == Hits(int(share > 0), len(answers))
        assert time.monotonic() - began > 0.1


def test_a_door_that_stays_shut_is_told_of(edge: System) -> None:
    full = reply(503, {"error": "DoorShut"}, "X-Strangler-Executed: no")
    edge.stand(0)
    edge.monolith.behave = partial(_sulking, edge.monolith.behave, full)
    answer, hits = ask(edge, "rows", "PUT", "x")
    edge.stand(1000)
    said = (answer.status, answer.json()["error"], answer.header("Retry-After"))
    assert said == (503, "DoorShut", "1")
    assert answer.header("X-Strangler-Executed") == "no"
    assert hits == Hits(0, 1 + len(WAITS))


def test_what_may_have_been_done_is_not_sent_again(edge: System) -> None:
    edge.stand(0)
    edge.monolith.behave = partial(_sulking, edge.monolith.behave, reply(503, {}))
    answer, hits = ask(edge, "rows", "PUT", "x")
    edge.stand(1000)
    assert unsure(answer, 503)
    assert hits == Hits(0, 1)


def _one_by_one(tokens: Behave, answers: Iterator[Behave], peer: socket.socket, seen: Seen) -> None:
    (tokens if seen.target.startswith("/_strangler/") else next(answers))(peer, seen)


def _sulking(tokens: Behave, behave: Behave, peer: socket.socket, seen: Seen) -> None:
    (tokens if seen.target.startswith("/_strangler/") else behave)(peer, seen)


@pytest.mark.parametrize(("method", "path"), [*QUERIES, *COMMANDS])
def test_nor_is_anything_sent_to_the_monolith_twice(edge: System, method: str, path: str) -> None:
    tokens = edge.monolith.behave
    edge.stand(0)
    try:
        for behave in CUT:
            edge.monolith.behave = partial(_sulking, tokens, behave)
            answer, hits = ask(edge, "rows", method, path)
            assert unsure(answer, 502)
            # A query on a connection that was kept may be, since that may have been closed before.
            assert hits == Hits(0, 1) or ((method, path) not in COMMANDS and hits == Hits(0, 2))
    finally:
        edge.stand(1000)


@pytest.mark.parametrize("refused", [401, 403, 500])
def test_without_a_token_the_monolith_speaks_for_itself(edge: System, refused: int) -> None:
    """It knows why it gives none, and says so to the client."""
    tell = edge.monolith.behave

    def behave(peer: socket.socket, seen: Seen) -> None:
        (reply(refused, {}) if seen.target.startswith("/_strangler/") else tell)(peer, seen)

    edge.monolith.behave = behave
    mine = ME | {"Authorization": f"Bearer {refused}"}
    answer = edge.ask("POST", "/rows/x", mine, b"{}")
    assert (answer.status, answer.json()["arm"], edge.service.hits) == (200, "monolith", 0)
    (seen,) = edge.asked
    assert seen.header("Authorization") == f"Bearer {refused}"
    assert seen.header("Cookie") == ME["Cookie"]


def test_a_service_gets_no_credentials(edge: System) -> None:
    mine = ME | {"Authorization": "Bearer me", "X-Api-Key": "k", "X-CSRFToken": "t", "X-Own": "o"}
    for method in ("GET", "POST"):
        edge.ask(method, "/rows/x", mine)
        seen = edge.service.seen[-1]
        assert seen.header("X-Own") == "o"
        for name in ("Cookie", "Authorization", "X-Api-Key", "X-CSRFToken", "X-Strangler-Edge"):
            assert seen.header(name) is None, name
        assert seen.header("X-Strangler-Context") == "a.good.token"


def test_what_breaks_off_on_the_only_replica_left_does_not_close_it(edge: System) -> None:
    """Failing or not, it is the one that may take commands."""
    for _ in range(9):
        edge.service.behave = close
        ask(edge, "some", "PUT", "x")
        edge.service.behave = service
        answer, hits = ask(edge, "some", "PUT", "x")
        assert (answer.status, hits) == (200, Hits(1, 0))
