"""A tester's signed wish: this arm, whatever the routing table says, for queries only."""

from __future__ import annotations

from collections.abc import Mapping

from strangler.ladder import Arm
from strangler.ports.context import Context
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import Use, mint, verify

_ACTION = "force"


def force(keyring: Keyring, forced: Mapping[str, Arm], *, audience: str) -> str:
    """What a tester sends as ``X-Strangler-Force``; it is good for half a minute.

    Args:
        keyring: whose own key signs.
        forced: the arm of each capability that is forced.
        audience: the party whose edge is asked: the monolith.
    """
    context = Context(forced=dict(forced))
    return mint(keyring, context, audience=audience, use=Use.FORCE, action=_ACTION)


def forced(keyring: Keyring, token: str) -> Mapping[str, Arm]:
    """The arms that a token forces.

    Raises:
        TokenRefused: it proves nothing; says why.
    """
    return verify(keyring, token, use=Use.FORCE, action=_ACTION).forced
