"""The pusher, with the listening side at the other end of a real connection."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

import pytest

from strangler.events.buses import Bus, Subscription
from strangler.events.buses.connect import connect
from strangler.events.buses.push import EVENTS, Pusher, Target
from strangler.events.envelope import Envelope, decode_batch
from strangler.events.receiving import PATH, receive
from strangler.events.stores import Queued
from strangler.events.stores.connect import connect as connect_store
from strangler.ports import runtime
from strangler.ports.trust.keys import Keyring, generate
from tests.servers import free_port
from tests.strangler.events.buses.saying import by_key, eventually, said, story

Answers = Callable[[list[Envelope]], tuple[int, dict[str, str]]]


class Arm:
    """One side: proves what comes as the kit does, then answers as a test says."""

    def __init__(self, party: str) -> None:
        self.party = party
        self.taken: list[Envelope] = []
        self.batches: list[int] = []
        self.proofs: list[int] = []
        self.answers: Answers = lambda _: (200, {})
        arm = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                called = self.path.removeprefix(PATH)
                headers = {name.lower(): value for name, value in self.headers.items()}
                # Nobody listens here by that name, which only who has proved itself is told.
                arm.proofs.append(receive(None, called, body, headers).status)
                batch = decode_batch(body)
                arm.batches.append(len(batch))
                status, more = arm.answers(batch)
                if status == 200:
                    arm.taken += batch
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def target(self) -> Target:
        return Target((self.url,), self.party)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def keyring(tmp_path: Path, opened: ExitStack) -> Keyring:
    for party in ("monolith", "notifications", "catalog"):
        generate(tmp_path / "keys", party)
    # The listening side's, in this process; the pusher is given its own.
    listening = Keyring.load(tmp_path / "keys", "notifications")
    opened.enter_context(runtime.configured(keyring=listening))
    return Keyring.load(tmp_path / "keys", "monolith")


@pytest.fixture
def service(opened: ExitStack) -> Arm:
    arm = Arm("notifications")
    opened.callback(arm.close)
    return arm


@pytest.fixture
def other(opened: ExitStack) -> Arm:
    arm = Arm("monolith")
    opened.callback(arm.close)
    return arm


@pytest.fixture
def bus(tmp_path: Path, opened: ExitStack) -> Bus:
    (tmp_path / "shop.db").touch()
    database = f"sqlite:///{tmp_path}/shop.db"
    return opened.enter_context(
        connect("http", database=database, consumers=lambda _: ["notifications"])
    )


Made = Callable[..., Pusher]


@pytest.fixture
def pusher(bus: Bus, keyring: Keyring, opened: ExitStack) -> Made:
    def subscribe() -> Subscription:
        return bus.subscribe("notifications", ["catalog"])

    def make(*targets: Target) -> Pusher:
        made = Pusher("notifications", subscribe, lambda: targets, keyring)
        opened.callback(made.close)
        return made

    return make


def left(bus: Bus) -> int:
    with bus.subscribe("notifications", ["catalog"]) as counting:
        return counting.backlog()


def test_events_are_handed_over_in_order_and_signed(bus: Bus, service: Arm, pusher: Made):
    events = story("catalog", keys=30, each=20)
    bus.publish(events)
    pushing = pusher(service.target)
    while left(bus):
        assert pushing.step() == 0.0
    assert by_key(service.taken) == by_key(events)
    assert len(service.taken) == len(events)
    assert max(service.batches) == EVENTS
    assert set(service.proofs) == {404}


def test_the_other_arm_is_tried_if_one_does_not_own_it(
    bus: Bus, service: Arm, other: Arm, pusher: Made
):
    service.answers = lambda _: (421, {})
    bus.publish([said("catalog", "one", 1)])
    assert pusher(service.target, other.target).step() == 0.0
    assert by_key(other.taken) == {"one": [1]}
    assert not left(bus)


def test_who_can_take_nothing_is_left_alone_for_longer_and_longer(
    bus: Bus, service: Arm, pusher: Made, caplog: pytest.LogCaptureFixture
):
    bus.publish([said("catalog", "one", 1)])
    pushing = pusher(service.target)
    service.answers = lambda _: (503, {"Retry-After": "7"})
    assert pushing.step() == 7.0
    service.answers = lambda _: (421, {})
    pauses = [pushing.step() for _ in range(12)]
    assert pauses[0] < 1 < pauses[-1] <= 10
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    service.answers = lambda _: (200, {})
    assert pushing.step() == 0.0
    assert not left(bus)
    service.answers = lambda _: (503, {})
    bus.publish([said("catalog", "one", 2)])
    assert pushing.step() < 0.2


def test_what_nobody_expects_is_said_loudly_and_tried_again(
    bus: Bus, service: Arm, pusher: Made, caplog: pytest.LogCaptureFixture
):
    bus.publish([said("catalog", "one", 1)])
    pushing = pusher(service.target)
    service.answers = lambda _: (404, {})
    assert pushing.step() > 0
    assert pushing.step() > 0
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "answers 404" in caplog.text
    service.answers = lambda _: (200, {})
    assert pushing.step() == 0.0
    assert by_key(service.taken) == {"one": [1]}


def test_what_is_dropped_from_its_queue_is_handed_over_no_more(
    bus: Bus, service: Arm, pusher: Made, tmp_path: Path
):
    bus.publish([said("catalog", "one", 1)])
    pushing = pusher(service.target)
    service.answers = lambda _: (503, {})
    assert pushing.step() > 0
    with closing(connect_store(f"sqlite:///{tmp_path}/shop.db")) as store:
        assert store.queued() == [Queued("notifications", "catalog.thing.happened", 1)]
        assert store.unqueue("notifications", "catalog.thing.happened") == 1
    service.answers = lambda _: (200, {})
    bus.publish([said("catalog", "one", 2)])
    assert pushing.step() == 0.0
    assert by_key(service.taken) == {"one": [2]}


def test_nobody_there_is_waited_for(bus: Bus, service: Arm, pusher: Made):
    bus.publish([said("catalog", "one", 1)])
    nobody = Target((f"http://127.0.0.1:{free_port()}",), "notifications")
    pushing = pusher(nobody)
    assert 0 < pushing.step() < 1
    assert left(bus) == 1
    pushing.close()
    assert pusher().step() > 0


@pytest.mark.parametrize("answer", [(413, {}), (503, {"Retry-After": "0"})])
def test_what_is_too_much_at_once_is_handed_over_in_parts(
    bus: Bus, service: Arm, pusher: Made, answer: tuple[int, dict[str, str]]
):
    events = story("catalog", keys=5, each=20)
    bus.publish(events)
    service.answers = lambda batch: answer if len(batch) > 30 else (200, {})
    pushing = pusher(service.target)
    while left(bus):
        assert pushing.step() == 0.0
    assert by_key(service.taken) == by_key(events)


def test_what_comes_before_one_that_has_to_wait_is_brought_once(
    bus: Bus, service: Arm, pusher: Made
):
    """It would be handled anew, once the inbox has forgotten it."""
    bus.publish([said("catalog", "one", version) for version in range(1, 31)])

    def answers(batch: list[Envelope]) -> tuple[int, dict[str, str]]:
        early = any(one.version == 23 for one in batch)
        return (503, {"Retry-After": "5"}) if early else (200, {})

    service.answers = answers
    pushing = pusher(service.target)
    for _ in range(20):
        pushing.step()
    assert by_key(service.taken) == {"one": list(range(1, 23))}
    assert left(bus) == 8
    service.answers = lambda _: (200, {})
    while left(bus):
        assert pushing.step() == 0.0
    assert by_key(service.taken) == {"one": list(range(1, 31))}


def test_a_large_batch_is_no_larger_than_it_may_be(bus: Bus, service: Arm, pusher: Made):
    large = b'"' + b"x" * 400_000 + b'"'
    bus.publish([said("catalog", "one", version, payload=large) for version in range(1, 6)])
    pushing = pusher(service.target)
    while left(bus):
        assert pushing.step() == 0.0
    assert by_key(service.taken) == {"one": [1, 2, 3, 4, 5]}
    assert service.batches == [2, 2, 1]


def test_it_runs_until_it_is_stopped_whatever_goes_wrong(
    tmp_path: Path, bus: Bus, service: Arm, pusher: Made
):
    stop = threading.Event()
    pushing = pusher(service.target)
    thread = threading.Thread(target=pushing.run, args=(stop,))
    thread.start()
    service.answers = lambda _: (500, {})
    bus.publish([said("catalog", "one", 1)])
    eventually(lambda: len(service.batches) >= 2, "it is not tried again")
    service.answers = lambda _: (200, {})
    eventually(lambda: by_key(service.taken) == {"one": [1]}, "it is not handed over")
    began = monotonic()
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert monotonic() - began < 20
    with bus.subscribe("notifications", ["catalog"]) as next_one:
        bus.publish([said("catalog", "one", 2)])
        assert next_one.receive(1, 0.0), "the one that was stopped still holds its leases"
