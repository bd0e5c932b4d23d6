"""What a consumer has set aside where a service handles for it: the service is asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from strangler.events.aside import Aside, ConsumerPlace, PlaceRefused
from strangler.events.buses.push import Target
from strangler.events.deciding import Asked, Done
from strangler.events.failing import Later
from strangler.events.receiving import PATH, token
from strangler.events.replayed import Replayed
from strangler.ports.calling.wire import Answer, Request
from strangler.ports.context import Trace
from strangler.ports.errors import PortError, Unreachable
from strangler.ports.headers import CONTEXT, DEADLINE
from strangler.ports.transports.http import Http
from strangler.ports.trust.keys import Keyring, KeysUnusable

PATIENCE: Final = 60.0
"""Seconds in which a service is to do it."""
LONG: Final = 900.0
"""The same, of what goes through all that others have."""


class ServicePlace(ConsumerPlace):
    """That of a consumer whose rows its service owns.

    Args:
        name: the consumer's.
        target: the service.
        keyring: who asks: the monolith.
    """

    def __init__(self, name: str, target: Target, keyring: Callable[[], Keyring]) -> None:
        self.name = name
        self._target = target
        self._keyring = keyring

    def count(self) -> int:
        """How many that are."""
        return self._asked("parked").count or 0

    def listed(self, limit: int) -> list[Aside]:
        """What is there, by key and in order."""
        return self._asked("parked", limit=limit).events

    def replay(self, event: str | None = None) -> Replayed | None:
        """Handle it there, with all that is set aside of its key."""
        done = self._asked("replay", event=event)
        if done.count is None:
            return None
        if done.failed is None:
            raise PlaceRefused(
                f"its service has handled {done.count:,} of them, and is older than this command: "
                "it does not say what has failed again (strangler events parked)"
            )
        return Replayed(done.count, done.failed, done.put_off, done.why)

    def drop(self, event: str, *, who: str, reason: str) -> int | None:
        """Never handle it."""
        return self._asked("drop", event=event, who=who, reason=reason).count

    def anew(self) -> int:
        """Fill its copies of what others have anew."""
        return self._asked("anew", patience=LONG).count or 0

    def _asked(self, what: str, *, patience: float = PATIENCE, **asked: Any) -> Done:
        body = msgspec.json.encode(Asked(**asked))
        client = Http(self._target.urls)
        try:
            answer = client.exchange(self._request(what, body, patience))
        except KeysUnusable as error:
            raise PlaceRefused(f"its service is asked with the monolith's key: {error}") from error
        except Unreachable as error:
            raise PlaceRefused(
                f"its service owns it, and does not answer ({error}): start it, or take the rows "
                f"back (strangler rollback {self.name}), and say it again"
            ) from error
        except PortError as error:
            raise PlaceRefused(
                f"its service owns it, and has not said what became of this ({error}): see "
                "strangler events parked, and the service's log"
            ) from error
        finally:
            client.close()
        if answer.status == 200:
            return msgspec.json.decode(answer.body, type=Done)
        raise self._refused(answer)

    def _refused(self, answer: Answer) -> Exception:
        if answer.status == 421:
            return PlaceRefused(
                "neither the monolith nor its service says that it owns it: it may be changing "
                "sides; try again in a moment"
            )
        try:
            said = msgspec.json.decode(answer.body)["message"]
        except (msgspec.MsgspecError, KeyError, TypeError):
            said = answer.body[:200].decode(errors="replace")
        if answer.status == 503:
            return Later(f"its service says: {said}")
        return PlaceRefused(f"its service owns it, and answers {answer.status}: {said}")

    def _request(self, what: str, body: bytes, patience: float) -> Request:
        called = f"{self.name}/{what}"
        proof = token(self._keyring(), called, body, audience=self._target.audience)
        return Request(
            path=f"{PATH}{called}",
            headers={
                "Content-Type": "application/json",
                CONTEXT: proof,
                DEADLINE: f"{patience:.3f}",
                "traceparent": Trace.begin().header,
            },
            body=body,
            repeatable=False,
            deadline=time.monotonic() + patience,
        )
