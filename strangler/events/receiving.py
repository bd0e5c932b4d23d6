"""Events that are pushed: the listening side of the ``http`` bus.

A batch is ``POST {base}/_strangler/events/{consumer}`` with a body of
``application/cloudevents-batch+json`` and the signed token in ``X-Strangler-Context``, which is
good for this consumer and this body. It is answered with

===========  =======================================================================================
200          each of them is in the inbox: handled, or set aside
400          this is no batch of events
401 403      the token proves nothing; this party may not say these events
404          nobody here listens by this name
413          the body is too large, or there were more than could be handled in time: bring fewer
415          the body is of another kind
421          the other side owns the rows: bring them there
503          not now: bring them again after ``Retry-After`` seconds; ``NotYet`` says that one is
             of a type that nobody here handles, or in a newer schema: it is not let go, since it
             was meant for this one
===========  =======================================================================================

Whatever it is, what had been taken before is remembered, and comes again at no cost: so nobody has
to remember the tokens of batches. A service may only bring its own events; the monolith brings
those of any capability.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from typing import Final

from strangler.events.consumer import Consumer
from strangler.events.envelope import BATCH, Envelope, Unreadable, decode_batch
from strangler.events.failing import Later, TooMany
from strangler.ports import headers as names
from strangler.ports import runtime
from strangler.ports.answer import Answer, Refusal, turned_away
from strangler.ports.context import Context
from strangler.ports.errors import NotOwner
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import TokenRefused, Use, mint, verify

__all__ = ["LIMIT", "PATH", "READ", "known", "not_now", "proved", "receive", "token"]

PATH: Final = "/_strangler/events/"
LIMIT: Final = 4 * 1024 * 1024
"""Bytes that a batch may have."""
WITHIN: Final = 5.0
"""Seconds after which nothing more of a batch is begun."""
READ: Final = (names.CONTEXT.lower(), "content-type")
"""The headers that ``receive`` reads."""

_log = logging.getLogger("strangler.events")


def token(keyring: Keyring, consumer: str, body: bytes, *, audience: str) -> str:
    """What proves to a party that this batch is brought by whose key this is."""
    return mint(
        keyring,
        Context(hops=1),
        audience=audience,
        use=Use.EVENTS,
        action=consumer,
        once=True,
        body=body,
    )


def receive(
    consumer: Consumer | None, called: str, body: bytes, headers: Mapping[str, str]
) -> Answer:
    """Take one batch. Never raises.

    Args:
        consumer: who listens here by that name; None for nobody.
        called: the name, as the URL has it.
        body: the whole body; of one that is too long, a little more than the limit will do.
        headers: of the request; a mapping that ignores case, or with names in lower case.
    """
    try:
        batch = _opened(called, body, headers)
        until = time.monotonic() + WITHIN
        known(consumer, called).take(batch, until=until, addressed=True)
    except Refusal as refusal:
        return refusal.answer()
    except NotOwner as error:
        return turned_away(error).answer()
    except TooMany as error:
        return Refusal(413, "TooMany", str(error)).answer()
    except Later as later:
        return not_now(type(later).__name__, str(later), later.after)
    except Exception:  # noqa: BLE001 - a caller must be answered, and told nothing
        _log.exception("%s: a batch of events has failed", called)
        return not_now("Failed", "something went wrong; the log has it", 1.0)
    return Answer(200, _JSON, b"{}")


def known(consumer: Consumer | None, called: str) -> Consumer:
    """Whoever listens by this name.

    Raises:
        Refusal: nobody does.
    """
    if consumer is None:
        raise Refusal(404, "UnknownConsumer", f"nobody here listens as {called[:100]!r}")
    return consumer


def not_now(error: str, said: str, after: float) -> Answer:
    """Come again, in so many seconds."""
    refusal = Refusal(503, error, said)
    refusal.headers = {"Retry-After": str(math.ceil(after))}
    return refusal.answer()


def proved(called: str, body: bytes, headers: Mapping[str, str], *, once: bool = False) -> str:
    """The party that has sent this body here, and nowhere else; with ``once``, for the first time.

    Raises:
        Refusal: nobody knows.
    """
    if len(body) > LIMIT:
        raise Refusal(413, "TooLarge", f"a batch has {LIMIT} bytes at most: bring fewer at once")
    keyring = runtime.wiring.keyring
    if keyring is None:
        raise RuntimeError("no keyring: runtime.configure(keyring=…) before events are received")
    said = headers.get(READ[0])
    if not said:
        raise Refusal(401, "TokenRefused", f"events are brought with {names.CONTEXT}")
    try:
        context = verify(
            keyring,
            said,
            use=Use.EVENTS,
            action=called,
            once=once,
            body=body,
            replays=runtime.wiring.replays,
        )
    except TokenRefused as refused:
        raise Refusal(401, "TokenRefused", refused.reason) from None
    if context.shadow:
        raise Refusal(403, "ShadowRefused", "a shadow changes nothing, so it is told nothing")
    return context.caller or ""


def _opened(called: str, body: bytes, headers: Mapping[str, str]) -> list[Envelope]:
    """The events, once it is known that whoever brings them may say them.

    Raises:
        Refusal: they are not taken.
    """
    caller = proved(called, body, headers)
    if headers.get(READ[1], "").partition(";")[0].strip().lower() != BATCH:
        raise Refusal(415, "NoBatch", f"events are brought as {BATCH}")
    try:
        batch = decode_batch(body)
    except Unreadable as error:
        raise Refusal(400, "NoBatch", str(error)) from None
    for event in batch:
        if caller not in {runtime.MONOLITH, event.capability}:
            said = f"{caller} may not say {event.type[:100]!r}"
            raise Refusal(403, "SpeakerRefused", said)
    return batch


_JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}
