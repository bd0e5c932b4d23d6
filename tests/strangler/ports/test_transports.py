"""Calls over a network that fails in every way: what the caller learns, and how often the callee is
asked. A fault server on a raw socket counts the requests that came in whole."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from strangler.ladder import Arm
from strangler.manifest.model import Breaker, Resilience
from strangler.ports import retry, runtime
from strangler.ports.awaiting import call
from strangler.ports.bind import bind
from strangler.ports.context import Context, Trace, User, use
from strangler.ports.errors import (
    BadAnswer,
    BulkheadFull,
    Busy,
    CallRefused,
    CircuitOpen,
    ConnectionLost,
    OutcomeUnknown,
    PortError,
    TimedOut,
    TooLate,
    Unreachable,
)
from strangler.ports.freeze import digest
from strangler.ports.keys import Keyring
from strangler.ports.remote import Peer, peer
from strangler.ports.testing import placed
from strangler.ports.tokens import Use, verify
from strangler.ports.transports import http, httpx
from strangler.ports.transports.http import Http
from strangler.ports.wire import Request
from tests.strangler.django import faults as fault
from tests.strangler.django.faults import Faults, Gone, Seen, faults, reply
from tests.strangler.ports.sample import Missing, Shop, Thing

pytestmark = pytest.mark.usefixtures("wired")

shop = bind(Shop)
SPADE = {"name": "spade", "price": "9.99"}
NOT_EXECUTED = "X-Strangler-Executed: no"

Ask = Callable[..., Any]


@pytest.fixture(params=["http", "httpx"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Call a method, waiting or awaiting."""
    if request.param == "http":
        return lambda method, *args: method(*args)

    async def awaited(method: Callable[..., Any], *args: Any) -> Any:
        try:
            return await call(method, *args)
        finally:
            await httpx.close()

    return lambda method, *args: asyncio.run(awaited(method, *args))


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST", 0.002)
    monkeypatch.setattr(retry, "JITTER", 0.002)


@pytest.fixture
def service(wired: None) -> Iterator[Faults]:
    """The service, behaving well until it is told otherwise."""
    with faults() as service, placed("remote"):
        service.behave = reply(200, SPADE)
        runtime.configure(urls=lambda _capability, _arm: (service.url,))
        yield service


def patient(*, attempts: int = 3, failures: int = 100, concurrency: int = 20) -> None:
    """Try again, and keep the breaker out of it."""
    resilience = Resilience(
        attempts=attempts, breaker=Breaker(failures, 30.0), concurrency=concurrency
    )
    runtime.configure(resilience=lambda _capability: resilience)


def surplus(peer: socket.socket, seen: Seen) -> None:
    """Send more than was promised."""
    peer.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n7777"
    )


def other_json(peer: socket.socket, seen: Seen) -> None:
    """Send JSON that is no answer of this method."""
    reply(200, {"name": 7})(peer, seen)


# How the callee misbehaves, what the caller learns, and whether that is a reason to ask again.
FAULTS: dict[str, tuple[fault.Behave, type[PortError]]] = {
    "closes without a word": (fault.close, ConnectionLost),
    "resets": (fault.reset, ConnectionLost),
    "closes within the headers": (fault.half_headers, ConnectionLost),
    "closes within the body": (fault.half, ConnectionLost),
    "hangs": (fault.hang, TimedOut),
    "drips headers": (fault.drip, TimedOut),
    "drips a body": (fault.drip_body, TimedOut),
    "speaks no HTTP": (fault.garbage, OutcomeUnknown),
    "answers another type": (other_json, BadAnswer),
    "answers no JSON": (reply(200, b"{"), BadAnswer),
    "answers a web page": (reply(200, b"<html>", kind="text/html"), BadAnswer),
    "500": (reply(500, {"error": "InternalError", "message": "a bug"}), OutcomeUnknown),
    "500 of something else": (reply(500, b"oops", kind="text/plain"), BadAnswer),
    "503 of something else": (reply(503, {"message": "upstream"}), OutcomeUnknown),
    "429 of something else": (reply(429, {"message": "slow down"}), OutcomeUnknown),
    "204": (reply(204, b""), BadAnswer),
    "302": (reply(302, {}, "Location: /login"), BadAnswer),
}
SLOW = {"hangs", "drips headers", "drips a body"}


def deadline(name: str) -> Context:
    """What cannot end before the deadline gets an early one."""
    return Context(deadline=time.monotonic() + 0.1) if name in SLOW else Context()


@pytest.mark.parametrize("name", FAULTS)
def test_a_command_that_is_not_idempotent_is_never_sent_twice(ask: Ask, service: Faults, name: str):
    patient()
    service.behave, expected = FAULTS[name]
    with use(deadline(name)), pytest.raises(expected):
        ask(shop.sell, "spade")
    assert service.hits == 1


@pytest.mark.parametrize("name", FAULTS)
def test_a_query_is_tried_again_and_so_is_an_idempotent_command(
    ask: Ask, service: Faults, name: str
):
    patient()
    for method in (shop.look, shop.put):
        service.seen.clear()
        service.behave, expected = FAULTS[name]
        began = time.monotonic()
        with use(deadline(name)), pytest.raises(expected):
            ask(method, "spade")
        # What ends only with the deadline leaves no time for another try.
        assert service.hits == (1 if name in SLOW else 3)
        assert time.monotonic() - began < 4


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in SLOW])
def test_a_service_that_comes_to_its_senses_answers_after_all(ask: Ask, service: Faults, name: str):
    patient()
    behaviours = [FAULTS[name][0], FAULTS[name][0], reply(200, SPADE)]

    def behave(peer: socket.socket, seen: Seen) -> None:
        behaviours.pop(0)(peer, seen)

    service.behave = behave
    assert ask(shop.look, "spade") == Thing("spade", Decimal("9.99"))
    assert service.hits == 3


@pytest.mark.parametrize(
    ("status", "expected", "hits"),
    [
        (400, CallRefused, 1),
        (401, CallRefused, 1),
        (403, CallRefused, 1),
        (404, CallRefused, 1),
        (408, TooLate, 1),
        (413, CallRefused, 1),
        (429, Busy, 3),
        (503, Busy, 3),
        (508, CallRefused, 1),
    ],
)
def test_what_says_that_nothing_was_executed_is_believed(
    ask: Ask, service: Faults, status: int, expected: type[PortError], hits: int
):
    """Then even a command may be sent again, where that could help."""
    patient()
    service.behave = reply(status, {"error": "Refused", "message": "not today"}, NOT_EXECUTED)
    with pytest.raises(expected, match="not today"):
        ask(shop.sell, "spade")
    assert service.hits == hits


def test_a_refused_connection_is_tried_again_by_every_method(ask: Ask, service: Faults):
    patient()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    runtime.configure(urls=lambda _capability, _arm: (f"http://127.0.0.1:{port}",))
    with pytest.raises(Unreachable):
        ask(shop.sell, "spade")

    def rise() -> None:
        time.sleep(0.03)
        with faults(port) as risen:
            risen.behave = reply(200, SPADE)
            done.wait(5)
            hits.append(risen.hits)

    done, hits = threading.Event(), list[int]()
    patient(attempts=20)
    thread = threading.Thread(target=rise)
    thread.start()
    ask(shop.sell, "spade")
    done.set()
    thread.join()
    assert hits == [1]


def test_a_connection_that_is_closed_on_arrival_leaves_the_outcome_unknown(ask: Ask):
    """Whether the request was read is nothing that a caller can know."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                accepted.append(1)
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        runtime.configure(urls=lambda _capability, _arm: (url,))
        patient()
        with placed("remote"), pytest.raises((ConnectionLost, Unreachable)):
            ask(shop.sell, "spade")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert accepted


def test_the_answer_of_a_method_and_its_declared_error_arrive(ask: Ask, service: Faults):
    assert ask(shop.look, "spade") == Thing("spade", Decimal("9.99"))
    error = {"error": "Missing", "detail": {"name": "spade"}}
    service.behave = reply(422, error, "X-Strangler-Error: declared")
    with pytest.raises(Missing) as missing:
        ask(shop.sell, "spade")
    assert missing.value.name == "spade"
    assert service.hits == 2


def test_a_declared_error_nobody_knows_is_a_bad_answer(ask: Ask, service: Faults):
    error = {"error": "Novelty", "detail": {}}
    service.behave = reply(422, error, "X-Strangler-Error: declared")
    with pytest.raises(BadAnswer, match="Novelty"):
        ask(shop.look, "spade")


def test_the_request_carries_all_that_is_known(ask: Ask, service: Faults, keys: Path):
    trace = Trace.continued("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "v=1")
    context = Context(
        caller="client",
        user=lambda: User("7", ("staff",)),
        cohort=5,
        deadline=time.monotonic() + 3,
        hops=1,
        forced={"shop": Arm.SERVICE},
        trace=trace,
    )
    with use(context):
        ask(shop.put, "spade")
        ask(shop.look, "spade")
    put = service.seen[0]
    assert (put.method, put.target) == ("POST", "/_strangler/ports/shop/put")
    assert msgspec.json.decode(put.body) == {"name": "spade", "price": "1"}
    assert put.header("Content-Type") == "application/json"
    assert put.header("X-Strangler-Digest") == digest(Shop)
    assert 1 < float(put.header("X-Strangler-Deadline") or 0) <= 3
    assert put.header("tracestate") == "v=1"
    spans = {(seen.header("traceparent") or "").split("-")[2] for seen in service.seen}
    traces = {(seen.header("traceparent") or "").split("-")[1] for seen in service.seen}
    assert traces == {trace.trace}
    assert len(spans | {trace.span}) == 3

    keyring = Keyring.load(keys, "shop")
    token = put.header("X-Strangler-Context") or ""
    arrived = verify(keyring, token, use=Use.PORT, action="shop.put", once=True, body=put.body)
    assert (arrived.caller, arrived.user) == ("monolith", User("7", ("staff",)))
    assert (arrived.cohort, arrived.hops, arrived.forced) == (5, 2, {"shop": Arm.SERVICE})


def test_each_try_of_a_command_has_a_token_of_its_own(ask: Ask, service: Faults):
    patient()
    service.behave = fault.close
    with pytest.raises(ConnectionLost):
        ask(shop.put, "spade")
    tokens = {seen.header("X-Strangler-Context") for seen in service.seen}
    assert len(tokens) == service.hits == 3


def test_the_smaller_of_method_s_timeout_and_caller_s_deadline_counts(ask: Ask, service: Faults):
    service.behave = fault.hang
    for given, expected in ((0.1, 0.1), (60, 0.5)):
        began = time.monotonic()
        with use(Context(deadline=began + given)), pytest.raises(TimedOut):
            ask(shop.hurry, "spade")
        assert expected <= time.monotonic() - began < expected + 1
    with use(Context(deadline=time.monotonic())), pytest.raises(TooLate):
        ask(shop.hurry, "spade")
    assert service.hits == 2


def test_retries_end_with_the_deadline(ask: Ask, service: Faults, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retry, "FIRST", 0.02)
    patient(attempts=1000)
    service.behave = fault.close
    began = time.monotonic()
    with pytest.raises(ConnectionLost):
        ask(shop.hurry, "spade")
    assert 0.2 < time.monotonic() - began < 1.5
    assert 1 < service.hits < 40


def test_that_the_last_try_was_not_executed_says_nothing_about_the_first(ask: Ask, service: Faults):
    """Otherwise the caller would send a command again, to another arm, that was executed."""
    patient(attempts=3, failures=2)
    service.behave = fault.close
    with pytest.raises(ConnectionLost) as lost:
        ask(shop.put, "spade")
    assert isinstance(lost.value.__cause__, CircuitOpen)
    assert service.hits == 2


def test_the_breaker_leaves_a_failing_service_alone(ask: Ask, service: Faults):
    patient(attempts=1, failures=3)
    service.behave = reply(500, {"error": "InternalError", "message": "a bug"})
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            ask(shop.look, "spade")
    for method in (shop.look, shop.sell):
        with pytest.raises(CircuitOpen, match=r"shop \(service\).*too often"):
            ask(method, "spade")
    assert service.hits == 3


@pytest.mark.parametrize(
    "behave",
    [
        reply(422, {"error": "Missing", "detail": {"name": "x"}}, "X-Strangler-Error: declared"),
        reply(403, {"error": "CallerRefused", "message": "no"}, NOT_EXECUTED),
        reply(503, {"error": "Busy", "message": "later"}, NOT_EXECUTED),
    ],
)
def test_the_breaker_does_not_count_answers(ask: Ask, service: Faults, behave: fault.Behave):
    patient(attempts=1, failures=2)
    service.behave = behave
    for _ in range(6):
        with pytest.raises((Missing, CallRefused, Busy)):
            ask(shop.look, "spade")
    assert service.hits == 6


def test_the_bulkhead_bounds_what_is_under_way(service: Faults):
    patient(attempts=1, concurrency=2)
    service.behave = fault.hang
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(shop.hurry, "spade") for _ in range(2)]
        while service.hits < 2:
            time.sleep(0.001)
        with pytest.raises(BulkheadFull):
            shop.look("spade")
        assert [type(one.exception()) for one in waiting] == [TimedOut] * 2
    service.behave = reply(200, SPADE)
    shop.look("spade")


def test_waiting_and_awaiting_callers_share_breaker_and_bulkhead(service: Faults):
    patient(attempts=1, failures=2)
    service.behave = fault.close
    with pytest.raises(ConnectionLost):
        shop.look("spade")

    async def awaited() -> None:
        try:
            with pytest.raises(ConnectionLost):
                await call(shop.look, "spade")
            with pytest.raises(CircuitOpen):
                await call(shop.look, "spade")
        finally:
            await httpx.close()

    asyncio.run(awaited())
    with pytest.raises(CircuitOpen):
        shop.look("spade")


def test_without_keys_nothing_is_sent(ask: Ask, service: Faults):
    runtime.configure(keyring=None)
    with pytest.raises(CallRefused, match=r"Keyring\.load"):
        ask(shop.look, "spade")
    assert service.connections == 0


class TestReplicas:
    def test_they_take_turns(self, ask: Ask, service: Faults):
        with faults() as other:
            other.behave = reply(200, SPADE)
            runtime.configure(urls=lambda _capability, _arm: (service.url, other.url))
            for _ in range(6):
                ask(shop.look, "spade")
            assert (service.hits, other.hits) == (3, 3)

    def test_one_that_is_away_is_passed_over(self, ask: Ask, service: Faults):
        away = "http://127.0.0.1:1"
        runtime.configure(urls=lambda _capability, _arm: (away, service.url))
        for _ in range(6):
            ask(shop.sell, "spade")
        assert service.hits == 6

    def test_one_that_was_away_is_asked_again(
        self, service: Faults, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(http, "REFUSED", 0.05)
        with faults() as other:
            other.behave = reply(200, SPADE)
        port = other.port
        runtime.configure(urls=lambda _capability, _arm: (service.url, other.url))
        for _ in range(4):
            shop.look("spade")
        assert service.hits == 4
        with faults(port) as back:
            back.behave = reply(200, SPADE)
            time.sleep(0.06)
            for _ in range(4):
                shop.look("spade")
            assert back.hits == 2

    def test_a_command_is_not_sent_to_the_next_one_once_it_was_sent(
        self, ask: Ask, service: Faults
    ):
        with faults() as other:
            service.behave = other.behave = fault.close
            runtime.configure(urls=lambda _capability, _arm: (service.url, other.url))
            with pytest.raises(ConnectionLost):
                ask(shop.sell, "spade")
            assert service.hits + other.hits == 1


class TestPool:
    def test_a_connection_is_used_again(self, service: Faults):
        for _ in range(5):
            shop.look("spade")
            shop.sell("spade")
        assert (service.hits, service.connections) == (10, 1)

    @pytest.mark.parametrize("header", ["Connection: close", "Connection: keep-alive, Close"])
    def test_not_if_the_callee_will_close_it(self, service: Faults, header: str):
        service.behave = reply(200, SPADE, header)
        for _ in range(3):
            shop.look("spade")
        assert service.connections == 3

    def test_not_after_a_failure(self, service: Faults):
        service.behave = surplus
        with pytest.raises(BadAnswer):
            shop.look("spade")
        service.behave = reply(200, SPADE)
        shop.look("spade")
        assert service.connections == 2

    def test_not_when_it_has_been_idle_for_long(
        self, service: Faults, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(http, "IDLE", 0.05)
        shop.look("spade")
        time.sleep(0.06)
        shop.look("spade")
        assert service.connections == 2

    def test_one_that_was_closed_meanwhile_is_replaced_even_for_commands(self, service: Faults):
        def answer_and_close(peer: socket.socket, seen: Seen) -> None:
            reply(200, SPADE)(peer, seen)
            raise Gone

        service.behave = answer_and_close
        for _ in range(3):
            shop.sell("spade")
            time.sleep(0.02)  # for the end of the connection to arrive
        assert (service.hits, service.connections) == (3, 3)

    def test_one_that_dies_under_our_hands_is_replaced_for_queries_only(
        self, service: Faults, monkeypatch: pytest.MonkeyPatch
    ):
        """The end of the connection comes when we have looked, and not yet sent."""
        monkeypatch.setattr(http, "_readable", lambda _connection: False)

        def answer_and_close(peer: socket.socket, seen: Seen) -> None:
            reply(200, SPADE)(peer, seen)
            raise Gone

        service.behave = answer_and_close
        for _ in range(3):
            shop.look("spade")
            time.sleep(0.02)
        assert service.hits == 3
        for method in (shop.sell, shop.put):
            with pytest.raises(ConnectionLost):
                method("spade")
            shop.look("spade")
            time.sleep(0.02)
        assert service.hits == 5

    def test_what_could_not_be_sent_whole_was_not_executed(
        self, service: Faults, monkeypatch: pytest.MonkeyPatch
    ):
        """The callee goes while a long request is on its way; the next connection gets it whole."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        went = []

        def accept() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            went.append(1)
            fault_reset(connection)

        def fault_reset(connection: socket.socket) -> None:
            with connection, pytest.raises(Gone):
                fault.reset(connection, Seen("", "", [], b""))

        thread = threading.Thread(target=accept)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        runtime.configure(urls=lambda _capability, _arm: (url, service.url))
        peer("shop", Arm.SERVICE)
        shop.sell("x" * 20_000_000)
        thread.join()
        listener.close()
        assert went == [1]
        assert service.hits == 1
        assert len(service.seen[0].body) > 20_000_000

    def test_idle_connections_are_bounded(self, service: Faults, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(http, "KEPT", 2)
        patient(attempts=1)
        barrier = threading.Barrier(5)

        def together(peer: socket.socket, seen: Seen) -> None:
            barrier.wait(5)
            reply(200, SPADE)(peer, seen)

        service.behave = together
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(shop.look, ["spade"] * 5))
        assert service.connections == 5
        assert len(peer("shop", Arm.SERVICE).http._replicas[0]._idle) == 2

    def test_threads_share_it_and_get_their_own_answers(self, service: Faults):
        def echo(peer: socket.socket, seen: Seen) -> None:
            name = msgspec.json.decode(seen.body)["name"]
            reply(200, {"name": name, "price": "1"})(peer, seen)

        service.behave = echo

        def many(thread: int) -> bool:
            names = [f"{thread}-{number}" for number in range(50)]
            return [shop.look(name).name for name in names] == names

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(many, range(8)))
        assert service.hits == 400
        assert service.connections <= 8

    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_child_process_has_connections_of_its_own(self, service: Faults):
        shop.look("parent")
        child = os.fork()
        if child == 0:
            try:
                shop.look("child")
                shop.look("child")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        shop.look("parent")
        assert (service.hits, service.connections) == (4, 2)

    def test_an_address_that_is_none_is_refused(self):
        for url in (
            "",
            "shop:80",
            "ftp://shop",
            "http://",
            "http://a b",
            "http://a/?q",
            "http://a\r\n",
        ):
            with pytest.raises(ValueError, match="base URL"):
                Http([url])
        with pytest.raises(ValueError, match="at least one"):
            Http([])

    def test_a_header_can_t_be_smuggled_in(self, service: Faults):
        request = Request("/", {"X-A": "b\r\nX-Evil: 1"}, b"", True, time.monotonic() + 1)  # noqa: FBT003 - a tuple
        with pytest.raises(ValueError, match="X-A"):
            Http([service.url]).exchange(request)
        assert service.connections == 0

    def test_a_base_url_may_have_a_path(self, service: Faults):
        runtime.configure(urls=lambda _capability, _arm: (f"{service.url}/behind/",))
        shop.look("spade")
        assert service.seen[0].target == "/behind/_strangler/ports/shop/look"
        assert service.seen[0].header("Host") == service.url.removeprefix("http://")


class TestHttps:
    """The same over TLS; certificates are checked by the system's own rules."""

    @pytest.fixture
    def hits(self, wired: None, tmp_path: Path) -> Iterator[list[str]]:
        """What a service that speaks TLS has been asked."""
        certificate = self_signed(tmp_path)
        self.trusting = ssl.create_default_context(cafile=str(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        hits: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                hits.append(f"{self.client_address[1]}")
                body = msgspec.json.encode(SPADE)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_args: object) -> None:
                pass  # a caller that does not trust us goes

        server = Server(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"https://localhost:{server.server_address[1]}"
        runtime.configure(urls=lambda _capability, _arm: (url,))
        with placed("remote"):
            yield hits
        server.shutdown()
        thread.join()
        server.server_close()

    def test_a_trusted_callee_answers(
        self, ask: Ask, hits: list[str], monkeypatch: pytest.MonkeyPatch
    ):
        for module in (http, httpx):
            monkeypatch.setattr(module, "tls", lambda: self.trusting)
        for method in (shop.look, shop.sell):
            assert ask(method, "spade") == Thing("spade", Decimal("9.99"))
        assert len(hits) == 2

    def test_connections_are_kept(self, hits: list[str], monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(http, "tls", lambda: self.trusting)
        for _ in range(4):
            shop.look("spade")
        assert len(hits) == 4
        assert len(set(hits)) == 1

    def test_a_callee_that_nobody_vouches_for_is_not_reached(self, ask: Ask, hits: list[str]):
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            ask(shop.sell, "spade")
        assert hits == []


def self_signed(folder: Path) -> Path:
    """A key and a certificate for localhost that vouches for itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "localhost.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


class TestPeer:
    def test_it_is_kept_while_nothing_about_it_changes(self, service: Faults):
        one = peer("shop", Arm.SERVICE)
        runtime.configure()
        assert peer("shop", Arm.SERVICE) is one
        patient(attempts=7)
        other = peer("shop", Arm.SERVICE)
        assert isinstance(other, Peer)
        assert other is not one
        assert peer("shop", Arm.MONOLITH) is not other


class TestAwaiting:
    def test_what_runs_here_runs_in_a_thread(self, service: Faults):
        from tests.strangler.ports.sample import Shelf

        shelf = Shelf()
        runtime.register(Shop, shelf)
        threads = []
        shelf._note = lambda name: threads.append(threading.get_ident())  # type: ignore[method-assign]

        async def awaited() -> Thing:
            return await call(shop.look, "spade")

        for where in ("local", "loopback"):
            with placed(where), use(Context(cohort=1)):
                assert asyncio.run(awaited()) == Thing("spade", Decimal("9.99"))
        assert threading.get_ident() not in threads
        assert len(threads) == 2

    def test_only_methods_of_bound_ports_are_awaited(self):
        with pytest.raises(TypeError, match="bound port"):
            asyncio.run(call(len, "spade"))

    def test_many_at_once_hold_no_thread(self, service: Faults):
        patient(concurrency=50)
        began = threading.active_count()
        most = []

        def answer(peer: socket.socket, seen: Seen) -> None:
            reply(200, SPADE)(peer, seen)

        service.behave = answer

        async def awaited() -> list[Thing]:
            try:
                calls = [asyncio.create_task(call(shop.look, "spade")) for _ in range(30)]
                await asyncio.sleep(0)
                most.append(threading.active_count() - began)
                return await asyncio.gather(*calls)
            finally:
                await httpx.close()

        assert asyncio.run(awaited()) == [Thing("spade", Decimal("9.99"))] * 30
        assert service.hits == 30
        assert most == [0]
