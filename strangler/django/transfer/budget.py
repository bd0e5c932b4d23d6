"""How long a freeze may last: less than any caller of the capability waits for a command."""

from __future__ import annotations

from strangler.django import contracts
from strangler.manifest import Capability
from strangler.ports.declare import Kind, methods
from strangler.transfer.switch import BUDGET

SHARE = 0.8
"""Of the shortest timeout: the rest is for the command itself, once it is let in."""


def budget(capability: Capability) -> float:
    """Seconds after which a freeze is undone.

    Raises:
        BadContract: nobody can say how long its callers wait.
    """
    commands = [
        method.timeout
        for method in methods(contracts.port(capability)).values()
        if method.kind is Kind.COMMAND
    ]
    return min([BUDGET, *(SHARE * seconds for seconds in commands)])
