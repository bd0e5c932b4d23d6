"""What an operator decides about a consumer's events, where a service handles them.

Whoever owns a capability's rows owns what its consumer has set aside, and only there it can be
handled. So the command line of the monolith asks the service, by ``POST
{base}/_strangler/events/{consumer}/{what}``, signed like a batch, with a body of JSON. What an
operator decides is done once: a token that has been delivered before is refused.

======== ============================================================================
parked   what is set aside, ``limit`` events of it
replay   ``event`` and all of its aggregate is tried again; without one, everything
drop     ``event`` is given up: by ``who``, and for what ``reason``
anew     the consumer's copies of what others have are filled anew
======== ============================================================================

It is answered with 200 and ``Done``; 404 where nothing is called so, 409 where that can't be done
here, 500 where it has failed, and else as a batch is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from strangler.events.aside import Aside, InboxPlace
from strangler.events.consumer import Consumer
from strangler.events.failing import Later
from strangler.events.receiving import known, not_now, proved
from strangler.events.refilling import Incomplete, NoCopy
from strangler.events.replayed import Gone
from strangler.ports import runtime
from strangler.ports.answer import Answer, Refusal, turned_away
from strangler.ports.errors import NotOwner

__all__ = ["Asked", "Done", "decide"]

_log = logging.getLogger("strangler.events")


class Asked(msgspec.Struct, frozen=True):
    """What is to be decided about."""

    event: str | None = None
    limit: int = 0
    who: str = ""
    reason: str = ""


class Done(msgspec.Struct, frozen=True):
    """What has become of it.

    Attributes:
        count: how many events; None if this one is not set aside.
        events: which.
        failed: of a replay: how many have failed again; older services say None.
        put_off: of a replay: how many were not tried, and are set aside still.
        why: what these wait for that is away.
    """

    count: int | None = None
    events: list[Aside] = msgspec.field(default_factory=list)
    failed: int | None = None
    put_off: int = 0
    why: str = ""


def decide(
    consumer: Consumer | None, called: str, body: bytes, headers: Mapping[str, str]
) -> Answer:
    """Do one thing. Never raises.

    Args:
        consumer: who listens here by that name; None for nobody.
        called: the name and what is to be done, as the URL has them: ``notifications/replay``.
        body: see the module.
        headers: of the request; a mapping that ignores case, or with names in lower case.
    """
    try:
        done = _decided(consumer, called, body, headers)
    except Refusal as refusal:
        return refusal.answer()
    except NotOwner as error:
        return turned_away(error).answer()
    except Later as later:
        return not_now(type(later).__name__, str(later), later.after)
    except Exception:  # noqa: BLE001 - a caller must be answered, and told nothing
        _log.exception("%s has failed", called)
        return Refusal(500, "Failed", "something went wrong; the service's log has it").answer()
    return Answer(200, _JSON, msgspec.json.encode(done))


def _decided(
    consumer: Consumer | None, called: str, body: bytes, headers: Mapping[str, str]
) -> Done:
    name, _, what = called.partition("/")
    caller = proved(called, body, headers, once=True)
    if caller != runtime.MONOLITH:
        raise Refusal(403, "DeciderRefused", f"{caller} decides nothing about {name[:100]!r}")
    if what not in _DONE:
        raise Refusal(404, "UnknownDecision", f"nothing here is called {what[:100]!r}")
    place = InboxPlace(known(consumer, name))
    if not place.owned():
        raise NotOwner(f"this side does not own {name}")
    try:
        return _DONE[what](place, msgspec.json.decode(body, type=Asked))
    except msgspec.MsgspecError as error:
        raise Refusal(400, "NotUnderstood", str(error)) from error
    except (Gone, Incomplete, NoCopy) as error:
        raise Refusal(409, type(error).__name__, str(error)) from error


def _parked(place: InboxPlace, asked: Asked) -> Done:
    return Done(place.count(), place.listed(asked.limit) if asked.limit else [])


def _replay(place: InboxPlace, asked: Asked) -> Done:
    done = place.replay(asked.event)
    if done is None:
        return Done()
    return Done(done.handled, failed=done.failed, put_off=done.put_off, why=done.why)


def _drop(place: InboxPlace, asked: Asked) -> Done:
    return Done(place.drop(asked.event or "", who=asked.who, reason=asked.reason))


def _anew(place: InboxPlace, _asked: Asked) -> Done:
    return Done(place.anew())


_DONE: Final[Mapping[str, Callable[[InboxPlace, Asked], Done]]] = {
    "parked": _parked,
    "replay": _replay,
    "drop": _drop,
    "anew": _anew,
}
_JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}
