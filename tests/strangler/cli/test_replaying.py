"""What ``strangler events replay`` says of events that go on, fail again, or have to wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from strangler.cli import bare, places
from strangler.events.aside import InboxPlace, Place
from strangler.events.buses.push import Target
from strangler.events.deciding import decide
from strangler.events.elsewhere import ServicePlace
from strangler.events.receiving import PATH
from strangler.ports import runtime
from strangler.ports.answer import Answer
from strangler.ports.calling.wire import Request
from strangler.ports.transports.http import Http
from strangler.ports.trust.keys import Keyring, generate
from tests.strangler.events.listening import Listener, poison, star


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    """Two aggregates of two events each are set aside."""
    made = Listener(f"sqlite:///{tmp_path / 'notes.sqlite3'}")
    made.trouble = poison("Vega", "Rigel")
    made.take(*(star(name, number) for name in ("Rigel", "Vega") for number in (1, 2)))
    yield made
    made.close()


@pytest.fixture(params=["here", "service"])
def place(
    request: pytest.FixtureRequest,
    listener: Listener,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    """Where its rows are owned: here, or at a service; what that answers goes by no wire here."""
    if request.param == "here":
        yield InboxPlace(listener.consumer)
        return
    for party in ("monolith", "notes"):
        generate(tmp_path / "keys", party)
    keyring = Keyring.load(tmp_path / "keys", "monolith")

    def exchange(_: Http, asked: Request) -> Answer:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        return decide(listener.consumer, asked.path.removeprefix(PATH), asked.body, headers)

    monkeypatch.setattr(Http, "exchange", exchange)
    service = Keyring.load(tmp_path / "keys", "notes")
    with runtime.configured(keyring=service, replays=None):
        yield ServicePlace("notes", Target(("http://127.0.0.1:9",), "notes"), lambda: keyring)


def test_what_fails_again_is_no_success(
    listener: Listener,
    place: Place,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def replay(*arguments: str) -> int:
        return bare.run(["events", "replay", *arguments])

    monkeypatch.setattr(places, "places", lambda *_: [place])
    listener.trouble = poison("Vega")
    assert replay("--all", "--json") == 1
    said = {"replayed": 2, "failed": 1, "put_off": 1, "refused": {}}
    assert json.loads(capsys.readouterr().out) == said
    assert replay("--all") == 1
    told = capsys.readouterr()
    assert told.out == "0 events on their way\n"
    assert told.err == "notes: 1 event failed again, 1 put off: strangler events parked\n"
    event = place.listed(1)[0].id
    assert replay(event) == 1
    listener.trouble = poison()
    assert replay(event) == 0
    assert replay("--all") == 0, "nothing is set aside"
    assert replay(event) == 1


def test_a_service_that_is_older_does_not_say_that_all_went_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(tmp_path / "keys", "monolith")
    keyring = Keyring.load(tmp_path / "keys", "monolith")
    answer = Answer(200, {}, msgspec.json.encode({"count": 3, "events": []}))
    monkeypatch.setattr(Http, "exchange", lambda *_: answer)
    place = ServicePlace("notes", Target(("http://127.0.0.1:9",), "notes"), lambda: keyring)
    monkeypatch.setattr(places, "places", lambda *_: [place])
    assert bare.run(["events", "replay", "--all"]) == 1
    assert "its service has handled 3 of them, and is older" in capsys.readouterr().err
