"""The monolith is brought events: by whom, which, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.test import Client

from monolith.shipping import models
from strangler.django.events import consuming, endpoint
from strangler.events import receiving
from strangler.events.consumer import Consumer
from strangler.events.envelope import BATCH, Envelope, encode_batch
from strangler.events.subscribe import Handlers
from strangler.ports import runtime
from strangler.ports.context import Context
from strangler.ports.errors import DoorShut, NotOwner
from strangler.ports.trust.keys import Keyring, generate
from strangler.ports.trust.tokens import Use, mint
from tests.strangler.events.listening import said, star
from tests.strangler.events.sample import CometGone, FishCaught, StarSeen

PATH = "/_strangler/events/shipping"


class Bringer:
    def __init__(self, keys: Path) -> None:
        self.keys = keys
        self.client = Client(enforce_csrf_checks=True)

    def bring(
        self,
        *events: Envelope,
        party: str = "monolith",
        to: str = "monolith",
        path: str = PATH,
        **more: Any,
    ) -> tuple[int, Any]:
        body = more.pop("body", encode_batch(list(events)))
        keyring = Keyring.load(self.keys, party)
        called = path.rpartition("/")[2]
        token = more.pop("token", None) or receiving.token(keyring, called, body, audience=to)
        content = more.pop("content_type", BATCH)
        headers = {"X-Strangler-Context": token}
        answer = self.client.post(path, body, content_type=content, headers=headers)
        self.answer = answer
        return answer.status_code, answer.json().get("error")


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def bringer(
    tmp_path: Path, db: None, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bringer]:
    handlers = Handlers("shipping")

    @handlers.on
    def look(event: StarSeen) -> None:
        seen.append(f"{event.name} {event.number}")

    @handlers.on
    def fish(event: FishCaught) -> None:
        seen.append(event.name)

    ledger = consuming.DjangoLedger("shipping", models.Inbox, models.ParkedEvent)
    known = {"shipping": Consumer(handlers, ledger)}
    monkeypatch.setattr(endpoint, "_known", known.get)
    for party in ("monolith", "sky", "pricing"):
        generate(tmp_path, party)
    with runtime.configured(keyring=Keyring.load(tmp_path, "monolith"), door=None):
        yield Bringer(tmp_path)


def test_what_is_brought_is_taken_once(bringer: Bringer, seen: list[str]) -> None:
    events = [star("Vega", 1), star("Vega", 2)]
    assert bringer.bring(*events) == (200, None)
    assert bringer.bring(*events) == (200, None)
    assert bringer.bring(star("Vega", 3), party="sky") == (200, None)
    assert seen == ["Vega 1", "Vega 2", "Vega 3"]


def test_only_who_may_say_them_brings_them(bringer: Bringer, seen: list[str]) -> None:
    one = star("Vega", 1)
    assert bringer.bring(one, token="nonsense") == (401, "TokenRefused")
    keyring = Keyring.load(bringer.keys, "monolith")
    other = receiving.token(keyring, "shipping", b"[]", audience="monolith")
    assert bringer.bring(one, token=other) == (401, "TokenRefused")  # of another body
    other = receiving.token(keyring, "notes", encode_batch([one]), audience="monolith")
    assert bringer.bring(one, token=other) == (401, "TokenRefused")  # for another consumer
    body = encode_batch([one])
    port = mint(
        keyring, Context(hops=1), audience="monolith", use=Use.PORT, action="shipping", body=body
    )
    assert bringer.bring(one, token=port) == (401, "TokenRefused")
    assert bringer.bring(one, to="pricing") == (401, "TokenRefused")
    assert bringer.bring(one, party="pricing") == (403, "SpeakerRefused")
    mixed = (one, said(FishCaught("carp"), "carp", 1))
    assert bringer.bring(*mixed, party="sky") == (403, "SpeakerRefused")
    shadow = mint(
        keyring, Context(hops=1, shadow=True), audience="monolith", use=Use.EVENTS,
        action="shipping", body=body,
    )  # fmt: skip
    assert bringer.bring(one, token=shadow) == (403, "ShadowRefused")
    answer = bringer.client.post(PATH, body, content_type=BATCH)
    assert answer.status_code == 401
    assert bringer.client.get(PATH).status_code == 405
    assert seen == []


def test_what_is_no_batch_is_refused(
    bringer: Bringer, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for body in (b" ", b"{}", b"[1]", b'[{"id": "x"}]', b"\xff", b"[" * 100_000):
        assert bringer.bring(body=body) == (400, "NoBatch")
    assert bringer.bring(star("Vega", 1), content_type="application/json") == (415, "NoBatch")
    assert bringer.bring(star("Vega", 1), path="/_strangler/events/nobody") == (
        404,
        "UnknownConsumer",
    )
    monkeypatch.setattr(receiving, "LIMIT", 10)
    assert bringer.bring(star("Vega", 1)) == (413, "TooLarge")
    assert seen == []


def test_it_says_whose_it_is_and_when_to_come_again(
    bringer: Bringer, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str, __: float) -> Any:
        raise NotOwner("elsewhere")

    def shut(_: str, __: float) -> Any:
        raise DoorShut("later")

    with runtime.configured(door=away):
        assert bringer.bring(star("Vega", 1)) == (421, "NotOwner")
    with runtime.configured(door=shut):
        assert bringer.bring(star("Vega", 1)) == (503, "Later")
    assert bringer.answer.headers["Retry-After"] == "1"
    monkeypatch.setattr(receiving, "WITHIN", 0.0)
    monkeypatch.setattr("strangler.events.consumer.SPELL", 0.0)
    assert bringer.bring(star("Vega", 1), star("Vega", 2)) == (413, "TooMany")
    assert seen == ["Vega 1"]


def test_what_nobody_here_handles_yet_is_not_let_go(bringer: Bringer, seen: list[str]) -> None:
    """Whoever brings it knows of a newer deployment, of which this process is not."""
    comet = said(CometGone(1), "1", 1)
    assert bringer.bring(star("Vega", 1), comet, star("Vega", 2)) == (503, "NotYet")
    assert bringer.answer.headers["Retry-After"] == "5"
    assert "sky.comet.gone" in bringer.answer.json()["message"]
    assert seen == ["Vega 1"]
    unknown = msgspec.structs.replace(comet, type="sky.moon.risen")
    assert bringer.bring(unknown) == (503, "NotYet")


def test_the_project_s_consumers_are_found() -> None:
    found = consuming.consumers()
    assert set(found) >= {"shipping", "notifications"}
    for name, consumer in found.items():
        assert consumer.told == set(consumer.handlers.types)
        assert consumer.handlers.consumer == name
    assert endpoint._known("shipping") is found["shipping"]
    assert endpoint._known("nobody") is None
