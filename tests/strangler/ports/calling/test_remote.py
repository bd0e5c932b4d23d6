"""What stands around a call over a network: deadline, retry, breaker, bulkhead, replicas."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.calling import retry
from strangler.ports.calling.awaiting import call
from strangler.ports.calling.remote import Peer, peer
from strangler.ports.context import Context, use
from strangler.ports.errors import (
    BulkheadFull,
    Busy,
    CallRefused,
    CircuitOpen,
    ConnectionLost,
    OutcomeUnknown,
    TimedOut,
    TooLate,
)
from strangler.ports.transports import http, httpx
from tests.strangler.django import faults as fault
from tests.strangler.django.faults import Faults, faults, reply
from tests.strangler.ports.callers import NOT_EXECUTED, SPADE, Ask, patient
from tests.strangler.ports.sample import Missing, Shop

pytestmark = pytest.mark.usefixtures("wired")

shop = bind(Shop)


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
    with pytest.raises((ConnectionLost, TimedOut)):  # the deadline may find a try under way
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
