"""What the compiled NGINX does for a client: pins, traces, log, breakers, flips, odd requests."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection

import pytest

from strangler.ladder import COHORTS
from strangler.ports.context import Trace
from strangler.ports.headers import FORCE, INTERNAL
from strangler.routing.decide import Call, Kind, decide
from strangler.routing.table import Snapshot
from tests.strangler.django.faults import Behave, Seen, close, reply
from tests.strangler.routing.edge.front import SECRET, Client, System, monolith, service, system

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    root = tmp_path_factory.mktemp("edge")
    with system(root, tables=True, sticky='["header:X-Tenant", "cookie"]', failures=5) as made:
        yield made


@pytest.fixture
def edge(running: System) -> System:
    running.reset()
    return running


def test_whoever_has_commanded_is_answered_by_the_owner(edge: System) -> None:
    """As ``decide`` has it; weather has tables, tides has none."""
    cookies = {
        "": True,
        "a=b": True,
        "strangler_cohort=7": False,
        "strangler_pin=-": False,
        "strangler_cohort=7; strangler_pin=tides:9": False,
        "strangler_cohort=7; strangler_pin=weather:9": True,
        "strangler_cohort=7; strangler_pin=tides:9|weather:12": True,
        "strangler_pin=xweather:9; strangler_cohort=7": False,
    }
    for queries, commands in [(1000, 0), (1000, 1000), (0, 0), (0, 1000)]:
        edge.stand(queries, commands)
        table = Snapshot.read(edge.table / "current")
        for cookie, pinned in cookies.items():
            wanted = decide(Call("weather", Kind.QUERY, 7, pinned=pinned), table)
            answer = edge.ask("GET", "/weather/rome", {"X-Tenant": "x", "Cookie": cookie})
            assert (answer.arm, answer.reason) == (wanted.arm, wanted.reason), cookie
            wanted = decide(Call("tides", Kind.QUERY, 7), table)
            answer = edge.ask("GET", "/tides/rome", {"X-Tenant": "x", "Cookie": cookie})
            assert (answer.arm, answer.reason) == (wanted.arm, wanted.reason), cookie


def test_a_stranger_is_given_a_cookie_by_which_it_is_known(edge: System) -> None:
    edge.stand(1000, 0)
    answer = edge.ask("GET", "/weather/rome", {"X-Tenant": "a"})
    assert answer.reason == "pinned"
    assert answer.all("Set-Cookie") == [
        "strangler_pin=-; Max-Age=86400; Path=/; HttpOnly; SameSite=Lax"
    ]
    answer = edge.ask("GET", "/weather/rome")
    (cookie,) = answer.all("Set-Cookie")
    assert answer.reason == "pinned"
    again = edge.ask("GET", "/weather/rome", {"Cookie": cookie.partition(";")[0]})
    assert (again.arm, again.all("Set-Cookie")) == ("service", [])


def test_what_a_service_has_commanded_elsewhere_pins_the_client(edge: System) -> None:
    edge.stand(1000, 0)
    mine = {"X-Tenant": "a", "Cookie": "a=b; strangler_pin=other:3"}
    for said, noted in [
        ("tides", None),
        ("weather", "strangler_pin=other:3|weather:*"),
        ("tides,weather", "strangler_pin=other:3|tides:*|weather:*"),
        ("a,b,weather,d", "strangler_pin=other:3|a:*|b:*|weather:*"),
    ]:
        edge.service.behave = reply(200, {}, f"X-Strangler-Commanded: {said}")
        answer = edge.ask("GET", "/tides/high", mine)
        assert [one.partition(";")[0] for one in answer.all("Set-Cookie")] == [noted][: bool(noted)]
        assert answer.header("X-Strangler-Commanded") is None
        if noted:
            answer = edge.ask("GET", "/weather/rome", {"X-Tenant": "a", "Cookie": noted})
            assert (answer.arm, answer.reason) == ("monolith", "pinned")


def test_who_commands_a_service_with_tables_is_pinned_once(edge: System) -> None:
    """Should the service die, the monolith then asks first whether the rows have come back."""
    edge.stand(1000)
    answer = edge.ask("POST", "/weather/rome", {"X-Tenant": "a"})
    assert (answer.arm, answer.all("Set-Cookie")) == ("service", [])
    edge.service.behave = reply(200, {}, "X-Strangler-Commanded: weather")
    for before, after in [
        ("a=b", "weather:*"),
        ("strangler_pin=-", "weather:*"),
        ("strangler_pin=other:3|xweather:*", "other:3|xweather:*|weather:*"),
        ("strangler_pin=weather:3", "weather:3|weather:*"),
        ("strangler_pin=weather:*", "weather:*"),
        ("strangler_pin=a:1|weather:*|b:*; c=d", "a:1|weather:*|b:*"),
        ("strangler_pin=a:1|weather:*", "a:1|weather:*"),
    ]:
        answer = edge.ask("POST", "/weather/rome", {"X-Tenant": "a", "Cookie": before})
        (pin,) = answer.all("Set-Cookie")
        assert pin.partition(";")[0] == f"strangler_pin={after}"
        assert "Max-Age=86400;" in pin, "it is pinned for as long again"
        asked = edge.ask("GET", "/weather/rome", {"X-Tenant": "a", "Cookie": pin.partition(";")[0]})
        assert (asked.arm, asked.reason) == ("service", "inside")
    edge.service.behave = reply(200, {}, "X-Strangler-Commanded: tides")
    answer = edge.ask("POST", "/tides/high", {"X-Tenant": "a"})
    assert (answer.arm, answer.all("Set-Cookie")) == ("service", []), "it has no tables"


def test_whoever_falls_back_brings_its_pin_and_is_told_what_has_become_of_it(edge: System) -> None:
    edge.stand(1000)
    mine = {"X-Tenant": "a", "Cookie": "strangler_cohort=7; strangler_pin=weather:*"}
    edge.service.behave = close
    gone = {"error": "Unavailable", "message": "", "detail": {}}
    edge.monolith.behave = _after_a_token(503, gone, "Retry-After: 1", "X-Strangler-Executed: no")
    answer = edge.ask("GET", "/weather/rome", mine)
    assert (answer.status, answer.header("Retry-After")) == (503, "1")
    assert (answer.json(), answer.header("X-Strangler-Executed")) == (gone, "no")
    assert edge.asked[-1].header("Cookie") == mine["Cookie"]
    assert edge.asked[-1].header("X-Strangler-Reason") == "fallback"
    edge.monolith.behave = _after_a_token(200, {}, "Set-Cookie: strangler_pin=-")
    answer = edge.ask("GET", "/weather/rome", mine)
    assert (answer.status, answer.all("Set-Cookie")) == (200, ["strangler_pin=-"])


def _after_a_token(status: int, body: object, *headers: str) -> Behave:
    def behave(peer: socket.socket, seen: Seen) -> None:
        token = seen.target.startswith("/_strangler/edge/")
        (monolith() if token else reply(status, body, *headers))(peer, seen)

    return behave


def test_a_first_visit_draws_any_cohort(edge: System) -> None:
    edge.stand(0)
    drawn = set()
    for _ in range(40):
        answer = edge.ask("GET", "/weather/rome")
        (cookie,) = answer.all("Set-Cookie")
        drawn.add(int(cookie.partition(";")[0].partition("=")[2]))
        assert str(edge.monolith.seen[-1].header("X-Strangler-Cohort")) in cookie
    assert drawn <= set(range(COHORTS))
    assert len(drawn) > 30


def test_without_a_table_the_monolith_answers(edge: System) -> None:
    edge.stand(1000)
    folder = edge.table / "current"
    target = folder.readlink()
    folder.unlink()
    try:
        for method in ("GET", "POST"):
            answer = edge.ask(method, "/weather/rome", {"X-Tenant": "a"})
            assert (answer.status, answer.arm) == (200, "monolith")
            until_said(edge, "owner", method)
    finally:
        folder.symlink_to(target)
        edge.stand(0)
        until_said(edge, "outside")


def until_said(edge: System, reason: str, method: str = "GET") -> None:
    """Wait until the edge has seen whether there is a table: it looks once a second."""
    until = time.monotonic() + 10
    while edge.ask(method, "/weather/rome", {"X-Tenant": "a"}).reason != reason:
        assert time.monotonic() < until
        time.sleep(0.05)


PARENTS = [
    ("", ""),
    ("", "a=b"),
    (f"00-{TRACE}-{SPAN}-01", "a=b"),
    (f"00-{TRACE}-{SPAN}-00", ""),
    (f"00-{TRACE}-{SPAN}-03", ""),
    (f"00-{TRACE}-{SPAN}-fe", ""),
    (f"00-{TRACE}-{SPAN}-01-x", "a=b"),
    (f"cc-{TRACE}-{SPAN}-00-x", "a=b"),
    (f"cc-{TRACE}-{SPAN}-00x", "a=b"),
    (f"ff-{TRACE}-{SPAN}-01", ""),
    (f"00-{'0' * 32}-{SPAN}-00", "a=b"),
    (f"00-{TRACE}-{'0' * 16}-01", ""),
    (f"00-{TRACE.upper()}-{SPAN}-01", ""),
    (f"00-{TRACE}-{SPAN}-01", "x" * 512),
    (f"00-{TRACE}-{SPAN}-01", "x" * 513),
]


@pytest.mark.parametrize(("parent", "state"), PARENTS)
def test_a_trace_goes_on_or_begins(edge: System, parent: str, state: str) -> None:
    """As the kit reads the same headers; the monolith reads them itself, and says what it reads."""
    wanted = Trace.parse(parent, state)
    kept = (wanted.state if wanted else "") or None
    for share, upstream in [(0, edge.monolith), (1000, edge.service)]:
        edge.stand(share)
        given = {"X-Tenant": "a", "Cookie": "strangler_pin=-", "tracestate": state}
        answer = edge.ask("GET", "/weather/rome", given | {"traceparent": parent})
        (said,) = answer.all("traceparent")
        ours = Trace.parse(said)
        assert ours is not None
        assert ours.span != SPAN
        assert (ours.trace == TRACE) == (wanted is not None)
        assert ours.sampled == (wanted is None or wanted.sampled)
        seen = upstream.seen[-1]
        passed = (seen.header("traceparent"), seen.header("tracestate"))
        assert passed == ((said, kept) if share else (parent, state))


@pytest.mark.parametrize(
    ("method", "target", "status"), [("GET", "/weather//rome", 400), ("FOO", "/weather/rome", 501)]
)
def test_what_the_edge_answers_itself_names_a_trace(
    edge: System, method: str, target: str, status: int
) -> None:
    answer = edge.ask(method, target, {"traceparent": f"00-{TRACE}-{SPAN}-01"})
    (trace,) = answer.all("traceparent")
    assert (answer.status, trace[:36]) == (status, f"00-{TRACE}-")
    assert answer.all("X-Strangler-Executed") == ["no"]
    assert answer.all("X-Frame-Options") == ["DENY"]
    assert not edge.asked


@pytest.mark.parametrize("share", [0, 1000])
def test_one_trace_goes_through_all_that_are_asked_and_the_log_names_it(
    edge: System, share: int
) -> None:
    edge.stand(share)
    edge.service.behave = reply(503, {})
    target = f"/weather/traced-{share}"
    (said,) = edge.ask("GET", target, {"Cookie": "strangler_cohort=7"}).all("traceparent")
    (passed,) = {one.header("traceparent") for one in edge.asked if one.target == target}
    assert passed is None if not share else (passed or "").startswith(said[:36])
    (line,) = logged(edge, lambda line: line["path"] == target)
    assert line["trace"] == said[3:35]


def test_nothing_of_ours_comes_in_or_goes_out(edge: System) -> None:
    others = ("Script-Name", "X-Real-IP", "Forwarded", "X-Forwarded-Port", "X_Strangler_Arm")
    names = (*(name for name in INTERNAL if name != FORCE), *others)
    lies = dict.fromkeys(names, "lie")
    told = ["X-Strangler-Epoch: 3", "X-Strangler-Commanded: weather", "X-Strangler-Context: x"]
    for share, upstream in [(0, edge.monolith), (1000, edge.service)]:
        edge.stand(share)
        edge.service.behave = reply(200, {}, *told)
        for target in ("/weather/rome", "/about"):
            answer = edge.ask("GET", target, lies | {"Cookie": "strangler_cohort=7"})
            asked = upstream if target == "/weather/rome" else edge.monolith
            assert "lie" not in [value for _, value in asked.seen[-1].headers]
            ours = {name.lower() for name, _ in answer.headers if name.startswith("X-Strangler")}
            assert ours <= {"x-strangler-arm", "x-strangler-reason"}
    (edge_said,) = {seen.header("X-Strangler-Edge") for seen in edge.asked}
    assert edge_said == SECRET
    assert edge.service.seen
    assert not any(seen.header("X-Strangler-Edge") for seen in edge.service.seen)


def logged(edge: System, wanted: Callable[[Mapping[str, object]], bool]) -> list[dict[str, object]]:
    """The lines of the log that are wanted, once there is one."""
    until = time.monotonic() + 5
    lines: list[dict[str, object]] = []
    while not lines and time.monotonic() < until:
        time.sleep(0.02)
        lines = [line for line in edge.front.log() if wanted(line)]
    return lines


def test_the_log_says_what_happened(edge: System) -> None:
    edge.stand(1000)
    edge.service.behave = reply(503, {})
    parent = {"traceparent": f"00-{TRACE[::-1]}-{SPAN}-01", "Cookie": "strangler_cohort=7"}
    edge.ask("GET", '/weather/ro"me?secret=1', parent)
    (line,) = logged(edge, lambda line: line["trace"] == TRACE[::-1])
    assert (line["capability"], line["kind"], line["cohort"]) == ("weather", "queries", "7")
    assert (line["arm"], line["reason"], line["status"]) == ("monolith", "fallback", 200)
    assert line["upstream_status"] == "503 : 200"
    assert (line["method"], line["path"]) == ("GET", '/weather/ro"me')
    assert "secret" not in str(line)


def test_a_service_that_fails_on_and_on_is_left_alone_for_a_moment(edge: System) -> None:
    edge.stand(1000)
    mine = {"Cookie": "strangler_cohort=7"}
    edge.service.behave = close
    for _ in range(30):
        assert edge.ask("GET", "/weather/rome", mine).reason == "fallback"
    assert edge.service.hits < 15
    edge.service.behave = service
    until = time.monotonic() + 10
    while edge.ask("GET", "/weather/rome", mine).arm != "service":
        assert time.monotonic() < until
        time.sleep(0.05)
    # Commands have nobody else to go to.
    edge.service.behave = close
    for _ in range(30):
        assert edge.ask("POST", "/weather/rome", mine).status == 502


def test_a_flip_is_seen_by_the_next_request_and_fails_nobody(edge: System) -> None:
    """Four clients that never pause, and whoever asks after a flip gets the new arm."""
    done = threading.Event()
    failures: list[object] = []
    counts: list[int] = []

    def ask() -> None:
        client = HTTPConnection("127.0.0.1", edge.front.port, timeout=10)
        count = 0
        while not done.is_set():
            method = "POST" if count % 5 == 0 else "GET"
            client.request(method, "/weather/rome", headers={"Cookie": "strangler_cohort=7"})
            answer = client.getresponse()
            answer.read()
            count += 1
            if answer.status != 200 or answer.headers["X-Strangler-Arm"] is None:
                failures.append((answer.status, answer.headers["X-Strangler-Reason"]))
        counts.append(count)
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(40):
            share = number % 2 * COHORTS
            edge.stand(share)
            answer = edge.ask("GET", "/weather/rome", {"Cookie": "strangler_cohort=7"})
            assert answer.arm == ("service" if share else "monolith")
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert sum(counts) > 100


SMUGGLED = [
    b"PUT /weather HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /weather/rome HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    b"POST /weather/rome HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd",
    b"POST /weather/rome HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /weather/rome HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST /weather/rome HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /weather/rome HTTP/1.1\r\n\r\n",
    b"GET /weather/ro me HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /weather/r\x01ome HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /weather/% HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /weather/%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /../weather HTTP/1.1\r\nHost: a\r\n\r\n",
    b"get /weather/rome HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /weather/rome HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 9000 + b"\r\n\r\n",
    b"GET /weather/rome HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    b"TRACE /weather/rome HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\r\n\r\n",
]


@pytest.mark.parametrize("share", [0, COHORTS])
def test_what_two_readers_could_read_in_two_ways_reaches_nobody(edge: System, share: int) -> None:
    edge.stand(share)
    for data in SMUGGLED:
        client = Client(edge.front.port)
        answer = client.send(data)
        client.close()
        assert answer.status in {400, 405, 431, 501}, data
        assert (edge.asked, edge.service.seen) == ([], []), data
    over = Client(edge.front.port)
    size = f"Content-Length: {2**20 + 1}".encode()
    answer = over.send(b"POST /weather/rome HTTP/1.1\r\nHost: a\r\n" + size + b"\r\n\r\n")
    over.close()
    assert answer.status == 413


def test_web_sockets_pass_and_no_other_protocol(edge: System) -> None:
    for wanted, passed in [("websocket", "websocket"), ("WebSocket", "websocket"), ("h2c", None)]:
        upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": wanted}
        edge.ask("GET", "/about", upgrade)
        assert edge.monolith.seen[-1].header("Upgrade") == passed
    edge.stand(1000)
    edge.ask("GET", "/weather/rome", {"Upgrade": "websocket", "Cookie": "strangler_cohort=7"})
    assert edge.service.seen[-1].header("Upgrade") is None


def test_an_answer_is_passed_on_as_it_comes(edge: System) -> None:
    """A stream's first bytes do not wait for its last."""
    edge.stand(1000)
    seen_first = threading.Event()

    def stream(peer: socket.socket, seen: Seen) -> None:
        peer.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
        )
        seen_first.wait(5)
        peer.sendall(b"4\r\nlast\r\n0\r\n\r\n")

    edge.service.behave = stream
    client = HTTPConnection("127.0.0.1", edge.front.port, timeout=5)
    client.request("GET", "/weather/rome", headers={"Cookie": "strangler_cohort=7"})
    answer = client.getresponse()
    assert answer.read(5) == b"first"
    assert edge.service.hits == 1
    seen_first.set()
    assert answer.read() == b"last"
    client.close()


def test_a_query_s_token_is_kept_for_its_credentials_only(edge: System) -> None:
    edge.stand(1000)

    def tokens() -> int:
        return len(edge.monolith.seen) - len(edge.asked)

    def ask(method: str = "GET", **headers: str) -> None:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        edge.ask(method, "/weather/kept", {"Cookie": "strangler_cohort=7", **given})

    for _ in range(4):
        ask(X_Api_Key="kept")
    kept = tokens()
    assert kept <= 2  # ten seconds may have ended in between
    for number, headers in enumerate(
        [{"X_Api_Key": "other"}, {"Authorization": "kept"}, {"Cookie": "strangler_cohort=8"}],
        kept + 1,
    ):
        ask(**headers)
        assert tokens() == number, headers
    for _ in range(2):
        ask("POST", X_Api_Key="kept")
    assert tokens() == kept + 5
