"""The provider over real HTTP: what it answers, what goes wrong, and what we may say of it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.money import Money
from monolith.payments.providers import http
from monolith.payments.providers.http import HttpProvider
from monolith.payments.sandbox.server import SandboxServer
from monolith.payments.states import Standing
from strangler.ports.context import Context, use
from strangler.ports.errors import (
    BadAnswer,
    Busy,
    ConnectionLost,
    PortError,
    TimedOut,
    TooLate,
    Unreachable,
)
from tests.servers import free_port

TWELVE = Money(Decimal("12.00"), "EUR")
Plan = Callable[..., None]


@pytest.fixture
def provider(server: SandboxServer) -> Iterator[HttpProvider]:
    with closing(HttpProvider(f"{server.url}/")) as provider:
        yield provider


@contextmanager
def soon(seconds: float = 0.5) -> Iterator[None]:
    """Whoever calls waits so long."""
    with use(Context(deadline=time.monotonic() + seconds)):
        yield


def test_money_is_put_aside_taken_and_given_back(provider: HttpProvider, server: SandboxServer):
    key = uuid4()

    assert provider.look_up(key) is None
    told = provider.authorise(key, TWELVE, "card", customer="cleo")
    assert told == provider.authorise(key, TWELVE, "card", customer="cleo") == provider.look_up(key)
    assert (told.key, told.standing, told.version) == (key, Standing.AUTHORISED, 1)
    assert told.amount == TWELVE
    taken = provider.capture(key)
    assert (taken.standing, taken.version) == (Standing.CAPTURED, 2)
    assert taken == provider.capture(key)
    back = provider.refund(key)
    assert (back.standing, back.version) == (Standing.REFUNDED, 3)
    assert back == provider.refund(key) == provider.capture(key)
    assert server.books.shown()[str(key)] == {
        "state": "refunded", "currency": "EUR", "charged": "12.00", "refunded": "12.00",
    }  # fmt: skip


def test_what_is_declined_is_an_answer(provider: HttpProvider):
    told = provider.authorise(uuid4(), TWELVE, "sandbox-declined", customer="cleo")

    assert (told.standing, told.reason) == (Standing.DECLINED, "The card was declined.")


def test_who_refunds_first_is_charged_nothing_later(provider: HttpProvider, server: SandboxServer):
    key = uuid4()

    assert provider.refund(key).standing is Standing.VOIDED
    assert provider.authorise(key, TWELVE, "card", customer="cleo").standing is Standing.VOIDED
    assert provider.capture(key).standing is Standing.VOIDED
    assert server.books.shown()[str(key)]["charged"] == "0"


def test_what_the_provider_refuses_is_no_answer(provider: HttpProvider):
    key = uuid4()
    with pytest.raises(BadAnswer, match="404"):
        provider.capture(key)
    provider.authorise(key, TWELVE, "card", customer="cleo")
    with pytest.raises(BadAnswer, match="409"):
        provider.authorise(key, Money(Decimal(13), "EUR"), "card", customer="cleo")


@pytest.mark.parametrize(
    ("fault", "error", "done"),
    [
        ("before", BadAnswer, False),
        ("after", BadAnswer, True),
        ("drop", ConnectionLost, False),
        ("lost", ConnectionLost, True),
        ("late", TimedOut, True),
        ("never", TimedOut, True),
    ],
)
def test_what_has_no_answer_may_be_asked_again(
    provider: HttpProvider, server: SandboxServer, plan: Plan, *, fault: str, error: Any, done: bool
):
    key = uuid4()
    plan(next=[fault])

    with soon() if error is TimedOut else nullcontext(), pytest.raises(error):
        provider.authorise(key, TWELVE, "card", customer="cleo")
    assert (server.books.look_up(str(key)) is not None) is done

    # What breaks a connection that was kept may have been idle: it is asked once more.
    plan(next=[None, *[fault] * (2 if error is ConnectionLost else 1)])
    assert provider.authorise(key, TWELVE, "card", customer="cleo").standing is Standing.AUTHORISED
    with soon() if error is TimedOut else nullcontext(), pytest.raises(error):
        provider.capture(key)
    assert server.books.shown()[str(key)]["charged"] == ("12.00" if done else "0")
    assert provider.capture(key).standing is Standing.CAPTURED
    assert server.books.shown()[str(key)]["charged"] == "12.00"


def test_nobody_waits_longer_than_a_provider_is_given(
    provider: HttpProvider, plan: Plan, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(http, "PATIENCE", 0.3)
    plan(next=["never"])

    with pytest.raises(TimedOut):
        provider.authorise(uuid4(), TWELVE, "card", customer="cleo")


def test_who_has_no_time_left_does_not_ask(provider: HttpProvider, server: SandboxServer):
    key = uuid4()

    with soon(0.0), pytest.raises(TooLate):
        provider.authorise(key, TWELVE, "card", customer="cleo")
    assert server.books.look_up(str(key)) is None


def test_where_nobody_listens_nothing_has_happened():
    with (
        closing(HttpProvider(f"http://127.0.0.1:{free_port()}")) as provider,
        pytest.raises(Unreachable),
    ):
        provider.authorise(uuid4(), TWELVE, "card", customer="cleo")


@contextmanager
def answering(*answers: bytes, pause: float = 0.0) -> Iterator[HttpProvider]:
    """A provider that answers each connection with these bytes, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            for answer in answers:
                accepted, _ = listener.accept()
                with accepted:
                    accepted.recv(65536)
                    for byte in (answer,) if not pause else (answer[i : i + 1] for i in range(99)):
                        try:
                            accepted.sendall(byte)
                        except OSError:
                            break
                        if done.wait(pause):
                            break

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            with closing(HttpProvider(url)) as provider:
                yield provider
        finally:
            done.set()
            thread.join()


def said(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


STRANGE = {
    "sheds load": (said("429 Too Many Requests", b"{}"), Busy),
    "an error": (said("503 Service Unavailable", b"{}"), BadAnswer),
    "no JSON": (said("200 OK", b"<html>"), BadAnswer),
    "no payment": (said("200 OK", b"[]"), BadAnswer),
    "a redirect": (said("302 Found", b"{}"), BadAnswer),
    "cut off": (said("200 OK", b"x" * 99)[:-50], ConnectionLost),
    "no HTTP": (b"220 smtp.example\r\n", ConnectionLost),
    "another payment": (
        said(
            "200 OK",
            b'{"key":"%s","id":"p","state":"captured","version":2,"amount":null}'
            % str(UUID(int=7)).encode(),
        ),
        BadAnswer,
    ),
    "without end": (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (http.LARGEST + 9), ConnectionLost),
}


@pytest.mark.parametrize("strange", STRANGE)
def test_what_is_strange_is_not_believed(strange: str):
    answer, error = STRANGE[strange]
    with answering(answer) as provider, pytest.raises(error):
        provider.look_up(uuid4())


def test_a_404_of_somebody_else_says_nothing_about_a_payment():
    with (
        answering(said("404 Not Found", b'{"error":"NotFound"}')) as provider,
        pytest.raises(BadAnswer),
    ):
        provider.look_up(uuid4())


def test_who_answers_byte_by_byte_is_not_waited_for():
    with (
        answering(said("200 OK", b"x" * 99), pause=0.1) as provider,
        soon(),
        pytest.raises(TimedOut),
    ):
        provider.look_up(uuid4())


def test_a_connection_that_was_closed_while_idle_is_no_failure(monkeypatch: pytest.MonkeyPatch):
    key = uuid4()
    body = b'{"error":"UnknownPayment"}'
    gone = said("404 Not Found", body)
    with answering(gone, gone) as provider:  # it closes each after one answer, without a word
        assert provider.look_up(key) is None
        time.sleep(0.05)
        assert provider.look_up(key) is None


def test_a_child_makes_connections_of_its_own(provider: HttpProvider, server: SandboxServer):
    provider.look_up(uuid4())
    assert provider._transport is not None
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"0" if provider._transport is None else b"1")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 1) == b"0"
    os.close(reading)
    os.close(writing)


def test_many_at_once_share_the_provider(provider: HttpProvider, server: SandboxServer):
    keys = [uuid4() for _ in range(4)]
    failed: list[PortError] = []

    def pay() -> None:
        for key in keys:
            try:
                provider.authorise(key, TWELVE, "card", customer="cleo")
                provider.capture(key)
            except PortError as error:
                failed.append(error)

    threads = [threading.Thread(target=pay) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    books = server.books.shown()
    assert [books[str(key)]["charged"] for key in keys] == ["12.00"] * 4
