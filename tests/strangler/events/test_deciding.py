"""What a service does of an operator's decisions: once for each token, and only while it owns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from strangler.events.deciding import Asked, decide
from strangler.events.receiving import token
from strangler.ports import runtime
from strangler.ports.headers import CONTEXT
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
