"""Calls over a network that fails in every way: what the caller learns, and how often the callee is
asked. A fault server on a raw socket counts the requests that came in whole."""

from __future__ import annotations

import socket
import threading
import time
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.context import Context, Trace, User, use
from strangler.ports.errors import (
    BadAnswer,
    Busy,
    CallRefused,
    ConnectionLost,
    OutcomeUnknown,
    PortError,
    TimedOut,
    TooLate,
    Unreachable,
)
from strangler.ports.freezing.freeze import digest
from strangler.ports.testing import placed
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import Use, verify
from tests.strangler.django import faults as fault
from tests.strangler.django.faults import Faults, Seen, reply
from tests.strangler.ports.callers import NOT_EXECUTED, SPADE, Ask, patient
from tests.strangler.ports.sample import Missing, Shop, Thing

pytestmark = pytest.mark.usefixtures("wired")

shop = bind(Shop)


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
    hits: list[bytes] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # and does not listen yet
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        runtime.configure(urls=lambda _capability, _arm: (url,))
        patient()
        with pytest.raises(Unreachable):
            ask(shop.sell, "spade")

        def rise() -> None:
            time.sleep(0.03)
            listener.listen()
            connection, _ = listener.accept()
            with connection:
                request = b""
                while not request.endswith(b"}"):
                    request += connection.recv(65536)
                hits.append(request)
                reply(200, SPADE, "Connection: close")(connection, Seen("POST", "", [], b""))

        patient(attempts=50)
        thread = threading.Thread(target=rise)
        thread.start()
        ask(shop.sell, "spade")
        thread.join()
    assert len(hits) == 1


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
