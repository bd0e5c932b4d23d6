"""What a service does of an operator's decisions: once for each token, and only while it owns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import pytest

from strangler.events import aside
from strangler.events.buses.push import Target
from strangler.events.deciding import Asked, decide
from strangler.events.elsewhere import ServicePlace
from strangler.events.receiving import PATH, token
from strangler.ports import runtime
from strangler.ports.answer import Answer
from strangler.ports.calling.wire import Request
from strangler.ports.errors import DoorShut
from strangler.ports.headers import CONTEXT
from strangler.ports.transports.http import Http
from strangler.ports.trust.keys import Keyring, generate
from strangler.ports.trust.tokens import Remembered
from tests.strangler.events.listening import Listener


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(f"sqlite:///{tmp_path / 'notes.sqlite3'}")
    for party in ("monolith", "notes"):
        generate(tmp_path / "keys", party)
    keyring = Keyring.load(tmp_path / "keys", "notes")
    with runtime.configured(keyring=keyring, replays=None):
        yield made
    made.close()


def test_a_decision_that_somebody_has_overheard_is_good_no_more(
    listener: Listener, tmp_path: Path
) -> None:
    emptied: list[int] = []
    listener.handlers.anew(empty=lambda: emptied.append(1), ask=lambda: None)
    body, monolith = msgspec.json.encode(Asked()), Keyring.load(tmp_path / "keys", "monolith")

    def decided(proof: str) -> tuple[int, bytes]:
        answer = decide(listener.consumer, "notes/anew", body, {CONTEXT.lower(): proof})
        return answer.status, answer.body

    overheard = token(monolith, "notes/anew", body, audience="notes")
    assert decided(overheard)[0] == 200
    for _ in range(2):
        status, said = decided(overheard)
        assert (status, b"has been delivered before" in said) == (401, True)
    assert decided(token(monolith, "notes/anew", body, audience="notes"))[0] == 200
    assert emptied == [1, 1]

    shared = token(monolith, "notes/anew", body, audience="notes")
    store = Remembered()  # of processes that answer together
    with runtime.configured(replays=store):
        assert decided(shared)[0] == 200
    with runtime.configured(replays=Remembered()):
        assert decided(shared)[0] == 200
    with runtime.configured(replays=store):
        assert decided(shared)[0] == 401


def test_a_service_whose_door_is_shut_says_not_now(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exchange(_: Http, asked: Request) -> Answer:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        return decide(listener.consumer, asked.path.removeprefix(PATH), asked.body, headers)

    def shut(_: str, __: float) -> AbstractContextManager[int | None]:
        raise DoorShut("its door did not open in time")

    monkeypatch.setattr(Http, "exchange", exchange)
    monolith = Keyring.load(tmp_path / "keys", "monolith")
    place = ServicePlace("notes", Target(("http://127.0.0.1:9",), "notes"), lambda: monolith)
    assert place.count() == 0
    with runtime.configured(door=shut):
        (one,) = aside.each([place], lambda one: one.count())
    assert one.refused.startswith("not now: its service says: nobody can say who owns")
    assert "its door did not open in time" in one.refused
    listener.consumer.owns = lambda: False
    (one,) = aside.each([place], lambda one: one.count())
    assert "neither the monolith nor its service says that it owns it" in one.refused
