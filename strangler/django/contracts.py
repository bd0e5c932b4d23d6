"""The contracts that the manifest names, imported."""

from __future__ import annotations

from importlib import import_module

from strangler.manifest import Capability
from strangler.ports import freeze
from strangler.ports.declare import Port
from strangler.ports.declare import capability as capability_of


class BadContract(Exception):
    """The manifest names a contract that can't be used; the message says why."""


def port(capability: Capability) -> type[Port]:
    """The port that the capability's contract names.

    Raises:
        BadContract: it can't be imported, is no port, or is another capability's.
    """
    module, _, name = capability.contract.partition(":")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:
        # A contract that declares what can't cross a boundary raises from its own module.
        raise BadContract(
            f"{capability.contract} can't be imported: {type(error).__name__}: {error}"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Port)):
        raise BadContract(f"{capability.contract} is no port: derive it from Port")
    if capability_of(found) != capability.name:
        raise BadContract(
            f"{capability.contract} is the port of {capability_of(found)!r}: "
            f"name the one of {capability.name!r}"
        )
    return found


def digest(capability: Capability) -> str | None:
    """The digest of the contract on this side; None if it can't be used, as the checks say."""
    try:
        return freeze.digest(port(capability))
    except BadContract:
        return None
