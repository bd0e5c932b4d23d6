"""The contracts that the manifest names: imported, and as they are to be frozen."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from strangler.django import conf
from strangler.events import freezing as telling
from strangler.manifest import Capability
from strangler.ports.declare import Port
from strangler.ports.declare import capability as capability_of
from strangler.ports.freezing import freeze
from strangler.ports.freezing.openapi import normalise


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


@dataclass(frozen=True, slots=True)
class Freezer:
    """One folder of frozen contracts, and what the code says that should be in it."""

    folder: Path
    documents: Mapping[str, freeze.Document]


def freezers() -> list[Freezer]:
    """The folders ``frozen`` (ports, events) and ``http`` (faces) beside the contracts' modules.

    Faces are left out where drf-spectacular is not installed: then nothing says what they are.

    Raises:
        BadContract: a contract can't be used.
    """
    capabilities = list(conf.manifest().capabilities.values())
    document = _openapi()
    folders: dict[Path, dict[str, freeze.Document]] = {}
    for capability in capabilities:
        declared = port(capability)
        home = Path(str(sys.modules[declared.__module__].__file__)).parent
        frozen = folders.setdefault(home / "frozen", {})
        frozen.update(freeze.documents([declared]))
        frozen.update(telling.documents([capability.name]))
        if document is not None:
            face = normalise(document, capability.routes)
            folders.setdefault(home / "http", {})[f"{capability.name}.openapi.json"] = face
    return [Freezer(folder, documents) for folder, documents in folders.items()]


def check(against: str | None = None) -> list[str]:
    """Everything that is wrong with the frozen contracts; nothing if all is well.

    ``against`` is a git revision whose frozen contracts must still be kept.

    Raises:
        BadContract: a contract can't be used.
        NoSuchRevision: git does not know the revision.
        ValueError: a frozen file is no JSON.
    """
    return [line for one in freezers() for line in (*_wrong(one, against), *unreadable(one))]


def unreadable(one: Freezer) -> Iterable[str]:
    """What was said once, by the frozen files, and can't be read by what the code declares."""
    return telling.problems(freeze.committed(one.folder))


def _wrong(one: Freezer, against: str | None) -> Iterable[str]:
    before = freeze.committed(one.folder, against) if against else None
    return freeze.check(one.documents, one.folder, before)


def _openapi() -> Mapping[str, Any] | None:
    """The whole project's OpenAPI document, as drf-spectacular derives it."""
    try:
        from drf_spectacular.drainage import GENERATOR_STATS  # noqa: PLC0415  # the project's choice
        from drf_spectacular.generators import SchemaGenerator  # noqa: PLC0415  # ditto
    except ModuleNotFoundError:
        return None
    generator: Any = SchemaGenerator
    with GENERATOR_STATS.silence():
        document: Mapping[str, Any] = generator().get_schema(request=None, public=True)
    return document
