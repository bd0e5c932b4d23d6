"""Ports for callers that await."""

from __future__ import annotations

import asyncio
import socket
import threading
from decimal import Decimal

import pytest

from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.calling.awaiting import call
from strangler.ports.context import Context, use
from strangler.ports.testing import placed
from strangler.ports.transports import httpx
from tests.strangler.django.faults import Faults, Seen, reply
from tests.strangler.ports.callers import SPADE, patient
from tests.strangler.ports.sample import Shop, Thing

pytestmark = pytest.mark.usefixtures("wired")

shop = bind(Shop)


def callers_threads() -> set[threading.Thread]:
    """All threads but those of the service that answers."""
    return {thread for thread in threading.enumerate() if thread.name != "faults"}


class TestAwaiting:
    def test_what_runs_here_runs_in_a_thread(self, service: Faults):
        from tests.strangler.ports.sample import Shelf

        shelf = Shelf()
        runtime.register(Shop, shelf)
        threads = []
        shelf._note = lambda name: threads.append(threading.get_ident())  # type: ignore[method-assign]  # a spy

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
        began = callers_threads()
        most = []

        def answer(peer: socket.socket, seen: Seen) -> None:
            reply(200, SPADE)(peer, seen)

        service.behave = answer

        async def awaited() -> list[Thing]:
            try:
                calls = [asyncio.create_task(call(shop.look, "spade")) for _ in range(30)]
                await asyncio.sleep(0)
                most.append(callers_threads() - began)
                return await asyncio.gather(*calls)
            finally:
                await httpx.close()

        assert asyncio.run(awaited()) == [Thing("spade", Decimal("9.99"))] * 30
        assert service.hits == 30
        assert most == [set()]
