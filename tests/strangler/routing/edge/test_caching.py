"""Answers that a real NGINX keeps for a moment: whose, for whom, and whose never."""

from __future__ import annotations

import itertools
import json
import socket
import time
from collections.abc import Iterator, Mapping

import pytest

from strangler.agent.reading import read
from strangler.ladder import COHORTS
from strangler.ports.headers import FORCE
from tests.strangler.django.faults import Behave, Seen, reply
from tests.strangler.routing.edge.front import MANIFEST, Answer, System, monolith, system
from tests.strangler.routing.edge.test_edge import until_said

CACHE = """
[capability.weather.gateway]
cache   = "60s"
origins = ["https://shop.example"]

[capability.tides.gateway]
cache = "1s"
"""
ME = {"Cookie": "strangler_cohort=7"}
HIT = "strangler; hit"
MISS, STALE, BYPASS = (f"strangler; fwd={why}" for why in ("miss", "stale", "bypass"))
numbers = itertools.count()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    text = MANIFEST.replace("[edge]\n", '[edge]\ncredentials = ["Remote-User"]\n') + CACHE
    with system(tmp_path_factory.mktemp("edge"), text=text, tables=True) as made:
        yield made


@pytest.fixture
def edge(running: System) -> System:
    running.reset()
    return running


@pytest.fixture
def path() -> str:
    """One that nobody has asked for yet."""
    return f"/weather/{next(numbers)}"


def says(*headers: str, status: int = 200) -> Behave:
    """Answers with these headers, and a number that is never the same."""

    def behave(peer: socket.socket, seen: Seen) -> None:
        reply(status, {"number": next(numbers)}, *headers)(peer, seen)

    return behave


def ask(
    edge: System, path: str, headers: Mapping[str, str] = ME, method: str = "GET"
) -> tuple[str | None, Answer]:
    answer = edge.ask(method, path, headers)
    return answer.header("Cache-Status"), answer


@pytest.mark.parametrize("share", [0, COHORTS])
def test_who_asks_the_same_gets_the_same(edge: System, path: str, share: int) -> None:
    edge.stand(share)
    arm, upstream = ("service", edge.service) if share else ("monolith", edge.monolith)
    first, answer = ask(edge, path)
    hits = [ask(edge, path, one) for one in (ME, {"Cookie": "strangler_cohort=8;strangler_pin=-"})]
    assert [first, *(said for said, _ in hits)] == [MISS, HIT, HIT]
    assert {one.body for _, one in hits} == {answer.body}
    assert {one.arm for _, one in hits} == {answer.arm} == {arm}
    traces = [one.all("traceparent") for one in (answer, *(one for _, one in hits))]
    assert len({trace[3:35] for (trace,) in traces}) == 3, "each has its own"
    assert {one.reason for _, one in hits} == {answer.reason}
    assert sum(seen.target == path for seen in upstream.seen) == 1
    assert ask(edge, path, method="HEAD")[0] == MISS, "has an answer of its own"
    assert ask(edge, f"{path}?")[0] == MISS
    assert ask(edge, path, {**ME, "X-Tenant": "a"})[0] == MISS
    for header in ("X-Forwarded-Prefix", "X-Forwarded-Scheme", "X-HTTP-Method-Override"):
        assert [ask(edge, path, {**ME, header: "x"})[0] for _ in range(2)] == [MISS, HIT]
    _, other = ask(edge, path, {**ME, "Origin": "https://shop.example"})
    assert other.header("Access-Control-Allow-Origin") == "https://shop.example"
    answer = edge.client.ask("GET", path, ME, host="other.example")
    assert answer.header("Cache-Status") == MISS


CREDENTIALS = [
    {"Authorization": "Bearer x"},
    {"X-Api-Key": "x"},
    {"X-Auth-Token": "x"},
    {"Remote-User": "x"},
    {"Cookie": "sessionid=x"},
    {"Cookie": "strangler_cohort=7; sessionid=x"},
    {"Cookie": "strangler_cohort=7; strangler_pin=weather:9"},
    {"Cookie": "strangler_cohort=7; strangler_fresh=-"},
    {FORCE: "monolith"},
]


@pytest.mark.parametrize("share", [0, COHORTS])
@pytest.mark.parametrize("headers", CREDENTIALS, ids=str)
def test_whoever_can_be_known_is_answered_by_the_arm_and_for_itself(
    edge: System, path: str, share: int, headers: dict[str, str]
) -> None:
    edge.stand(share)
    for _ in range(2):
        assert ask(edge, path, headers)[0] == BYPASS
    assert ask(edge, path)[0] == MISS, "nothing of it was kept"
    _, mine = ask(edge, path)
    said, answer = ask(edge, path, headers)
    assert (said, answer.body != mine.body) == (BYPASS, True)


@pytest.mark.parametrize("share", [0, COHORTS])
@pytest.mark.parametrize(
    "header",
    [
        "Cache-Control: private",
        "Cache-Control: no-store",
        "Cache-Control: no-cache",
        "Cache-Control: max-age=0",
        "Set-Cookie: a=b",
        "Vary: *",
        "X-Strangler-Commanded: tides",
    ],
)
def test_what_an_arm_wants_kept_private_is_not_kept(
    edge: System, path: str, share: int, header: str
) -> None:
    edge.stand(share)
    edge.service.behave = edge.monolith.behave = says(header)
    if share:
        edge.monolith.behave = monolith()
    assert [ask(edge, path)[0] for _ in range(2)] == [MISS, MISS]


def test_a_token_is_of_one_user_also_where_the_manifest_says_by_which_header(edge: System) -> None:
    edge.stand(COHORTS)

    def tokens(user: str) -> int:
        before = len(edge.monolith.seen)
        edge.ask("GET", "/weather/rome", {**ME, "Remote-User": user})
        assert edge.service.seen[-1].header("Remote-User") is None
        return len(edge.monolith.seen) - before

    asked = [tokens(user) for user in ("ann", "ann", "bob", "bob", "ann")]
    assert asked[0] == asked[2] == 1
    assert sum(asked) <= 3  # ten seconds may have ended in between


def test_what_varies_is_kept_for_each(edge: System, path: str) -> None:
    edge.stand(COHORTS)
    edge.service.behave = says("Vary: Accept-Language")
    french, dutch = ({**ME, "Accept-Language": one} for one in ("fr", "nl"))
    assert [ask(edge, path, one)[0] for one in (french, dutch, french, dutch)] == [
        MISS, MISS, HIT, HIT,
    ]  # fmt: skip


@pytest.mark.parametrize("status", [404, 301, 500])
def test_what_is_no_answer_is_not_kept(edge: System, path: str, status: int) -> None:
    edge.stand(COHORTS)
    edge.service.behave = says(status=status)
    assert [ask(edge, path)[1].status for _ in range(2)] == [status] * 2
    assert edge.service.hits == 2


@pytest.mark.parametrize("share", [0, COHORTS])
@pytest.mark.parametrize("header", ["Cache-Control: max-age=3600", "X-Accel-Expires: 3600"])
def test_a_failure_is_not_kept_whatever_it_says_of_itself(
    edge: System, path: str, share: int, header: str
) -> None:
    edge.stand(share)
    edge.service.behave = edge.monolith.behave = says(header, status=500)
    if share:
        edge.monolith.behave = monolith()
    assert [ask(edge, path)[1].status for _ in range(2)] == [500] * 2
    edge.reset()
    assert ask(edge, path)[1].status == 200


def test_a_fallback_is_not_kept(edge: System, path: str) -> None:
    edge.stand(COHORTS)
    edge.service.behave = reply(503, {})
    assert [ask(edge, path)[1].reason for _ in range(2)] == ["fallback"] * 2
    edge.reset()
    assert ask(edge, path)[1].arm == "service"


def test_where_there_is_no_token_nothing_is_kept_for_the_service(edge: System, path: str) -> None:
    """The monolith has answered in its place."""
    edge.stand(COHORTS)
    edge.monolith.behave = monolith("")
    me = {"Cookie": f"strangler_cohort={next(numbers) % 1000}"}
    answers = [ask(edge, path, me) for _ in range(2)]
    assert {one.json()["arm"] for _, one in answers} == {"monolith"}
    assert HIT not in [said for said, _ in answers]


def test_a_flip_is_seen_at_once(edge: System, path: str) -> None:
    arms = []
    for share in (0, COHORTS, 0, COHORTS):
        edge.stand(share)
        arms += [ask(edge, path) for _ in range(2)]
    assert [one.arm for _, one in arms] == ["monolith"] * 2 + ["service"] * 2 + [
        "monolith",
        "monolith",
        "service",
        "service",
    ]
    assert [said for said, _ in arms[4:]] == [HIT] * 4


def test_whoever_is_pinned_or_has_no_table_is_answered_by_the_owner(
    edge: System, path: str
) -> None:
    edge.stand(COHORTS, 0)
    for headers in ({}, {"Cookie": "strangler_pin=weather:3"}):
        said, answer = ask(edge, path, headers)
        assert (said, answer.reason) == (BYPASS, "pinned")
    link = edge.table / "current"
    target = link.readlink()
    link.unlink()
    try:
        until_said(edge, "owner")
        said, answer = ask(edge, path)
        assert (said, answer.reason) == (BYPASS, "owner")
    finally:
        link.symlink_to(target)
        edge.stand(0)
        until_said(edge, "outside")


@pytest.mark.parametrize("share", [0, COHORTS])
def test_whoever_commands_reads_what_it_has_written(edge: System, path: str, share: int) -> None:
    edge.stand(share)
    assert [ask(edge, path)[0] for _ in range(2)] == [MISS, HIT]
    said, answer = ask(edge, path, method="PUT")
    assert said is None
    (cookie,) = [one for one in answer.all("Set-Cookie") if one.startswith("strangler_fresh")]
    assert "Max-Age=60;" in cookie
    mine = {"Cookie": f"{ME['Cookie']}; {cookie.partition(';')[0]}"}
    assert ask(edge, path, mine)[0] == BYPASS
    assert ask(edge, path)[0] == HIT
    assert ask(edge, path)[1].all("Set-Cookie") == []


def test_a_declared_query_with_a_body_is_not_kept(edge: System) -> None:
    edge.stand(COHORTS)
    for body in (b"a", b"b", b"b"):
        answer = edge.ask("POST", "/weather/search", ME, body)
        assert (answer.json()["body"], answer.header("Cache-Status")) == (body.decode(), None)


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_body_that_nobody_expects_changes_nothing_for_others(
    edge: System, path: str, size: int
) -> None:
    """It is in no key, so whoever answers by it must not be heard by others."""
    edge.stand(COHORTS)
    answer = edge.ask("GET", path, ME, b"x" * size)
    assert (answer.header("Cache-Status"), len(answer.json()["body"])) == (BYPASS, size)
    said, answer = ask(edge, path)
    assert (said, answer.json()["body"]) == (MISS, "")


def test_it_is_kept_as_long_as_the_manifest_says(edge: System) -> None:
    edge.stand(COHORTS)
    target = f"/tides/{next(numbers)}"
    assert ask(edge, target)[0] == MISS
    until = time.monotonic() + 15
    said = [HIT]
    while said[-1] == HIT:
        assert time.monotonic() < until
        time.sleep(0.1)
        said.append(str(ask(edge, target)[0]))
    assert said[-1] in {STALE, MISS}, "the minute may have ended meanwhile"
    assert ask(edge, "/about")[0] is None


def test_the_log_says_whether_an_arm_was_asked(edge: System, path: str) -> None:
    edge.stand(COHORTS)
    for _ in range(2):
        ask(edge, path)
    until = time.monotonic() + 10
    lines: list[dict[str, object]] = []
    while len(lines) < 2 and time.monotonic() < until:
        time.sleep(0.02)
        lines = [line for line in edge.front.log() if line["path"] == path]
    assert [line["cache"] for line in lines] == ["MISS", "HIT"]
    counted = [read(json.dumps(line).encode()) for line in lines]
    assert (counted[0] and counted[0].arm, counted[1]) == ("service", None), "no evidence"


def test_a_range_and_a_condition_are_kept_to(edge: System, path: str) -> None:
    """NGINX asks for the whole, and answers for the part itself."""

    edge.stand(COHORTS)
    edge.service.behave = reply(200, {"a": 1}, 'ETag: "one"', "Accept-Ranges: bytes")
    for headers in (ME, {**ME, "Authorization": "x"}):
        assert ask(edge, path, {**headers, "If-None-Match": '"one"'})[1].status == 304
        assert ask(edge, path, {**headers, "Range": "bytes=0-2"})[1].body == b'{"a'
