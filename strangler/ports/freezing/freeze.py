"""Contracts, frozen into files, so that a change of one is seen and judged.

``contracts/frozen/<capability>.json`` holds what a port means on the wire, derived from its class::

    {
      "capability": "catalog",
      "methods": {
        "product": {
          "kind": "query", "idempotent": true,
          "parameters": {<JSON Schema of the arguments, an object>},
          "returns": {<JSON Schema of the answer>},
          "raises": {"UnknownProduct": {"status": 404, "detail": {<JSON Schema>}}}
        }, …
      },
      "types": {"Product": {<JSON Schema>}, …},
      "breaking": [{"reason": "…", "what": ["…"]}, …]
    }

``contracts/http/<capability>.openapi.json`` holds a public HTTP face (see ``openapi`` beside this),
and ``contracts/frozen/<capability>.events.json`` events (``strangler.events.freezing``); all are
frozen and judged by the same functions, which take documents by file name. What does not
change the wire is left out: timeouts, docstrings, the order of things. ``breaking`` is the memory
of changes that were made although they were not compatible.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from strangler.ports.declare import Port, capability, declared, methods
from strangler.ports.freezing import events
from strangler.ports.freezing.compat import Change, compare
from strangler.ports.freezing.schema import Schemas

Document = dict[str, Any]

_MEMORY = ("breaking", "past")
REMEDY = "run `strangler contracts freeze` and commit what it writes"


class Incompatible(Exception):
    """A change would break those who rely on the contract; ``changes`` are all that would."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self.changes = tuple(changes)
        lines = "".join(f"\n  {change}" for change in self.changes)
        super().__init__(
            f"not frozen, because it is not compatible:{lines}\n"
            "Make the change in steps, or freeze it with a reason, which is recorded"
        )


class NoSuchRevision(ValueError):
    """Git can't read the files of that revision."""


def frozen(port: type[Port]) -> Document:
    """What a port means on the wire."""
    schemas = Schemas()
    described = {
        method.name: {
            "kind": str(method.kind),
            "idempotent": method.idempotent,
            "parameters": schemas.parameters(method.parameters),
            "returns": schemas.of(method.returns),
            "raises": {
                error.__name__: {"status": error.status, "detail": schemas.detail(error)}
                for error in method.raises
            },
        }
        for method in methods(port).values()
    }
    return {"capability": capability(port), "methods": described, "types": schemas.types}


def digest(port: type[Port]) -> str:
    """32 hexadecimal digits that change whenever what the port means on the wire does."""
    port = declared(port)
    if port not in _digests:
        text = json.dumps(frozen(port), sort_keys=True)
        _digests[port] = hashlib.sha256(text.encode()).hexdigest()[:32]
    return _digests[port]


_digests: dict[type[Port], str] = {}


def documents(ports: Iterable[type[Port]]) -> dict[str, Document]:
    """What is to be frozen of these ports, by file name."""
    return {f"{capability(port)}.json": frozen(port) for port in ports}


def freeze_all(
    documents: Mapping[str, Document], folder: Path, *, reason: str | None = None
) -> list[Change]:
    """Write these documents into the folder, and remove what is not among them any more.

    Returns all changes, compatible or not, of what had been frozen before (see ``fresh``).

    Raises:
        Incompatible: some are not, and no reason was given; nothing was written.
    """
    before = committed(folder)
    changes = {name: _compared(name, before, documents) for name in sorted(before)}
    everything = [change for found in changes.values() for change in found]
    if not reason and any(not change.compatible for change in everything):
        raise Incompatible(change for change in everything if not change.compatible)
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        memory = list(before.get(name, {}).get("breaking", []))
        what = [str(change) for change in changes.get(name, ()) if not change.compatible]
        if what:
            memory.append({"reason": reason, "what": what})
        whole = {**document, "breaking": memory} if memory else dict(document)
        if past := events.remembered(before.get(name, {}), document):
            whole["past"] = past
        (folder / name).write_text(render(whole), encoding="utf-8")
    for name in before.keys() - documents.keys():
        (folder / name).unlink()
    return everything


def fresh(documents: Mapping[str, Document], folder: Path) -> dict[str, int]:
    """What has never been frozen in this folder: by file name, how many operations it has."""
    return {
        name: _operations(document)
        for name, document in documents.items()
        if not (folder / name).exists()
    }


def _operations(document: Document) -> int:
    for kind in ("methods", "events"):
        if kind in document:
            return len(document[kind])
    return sum(len(methods) for methods in document.get("paths", {}).values())


def stale(documents: Mapping[str, Document], folder: Path) -> dict[str, list[Change]]:
    """The files that do not say what the code says, and what differs; a folder in step has none."""
    there = committed(folder)
    return {
        name: _compared(name, there, documents)
        for name in sorted(there.keys() | documents.keys())
        if _without_memory(there.get(name)) != documents.get(name)
    }


def broken(old: Mapping[str, Document], new: Mapping[str, Document]) -> list[Change]:
    """The changes from old to new that are not compatible, and were frozen without a reason."""
    return [
        change
        for name in sorted(old.keys() | new.keys())
        for change in _compared(name, old, new)
        if not change.compatible and str(change) not in _excused(old.get(name), new.get(name))
    ]


def check(
    documents: Mapping[str, Document],
    folder: Path,
    against: Mapping[str, Document] | None = None,
) -> list[str]:
    """Everything that is wrong with the frozen contracts; nothing if all is well.

    Args:
        documents: what the code says now.
        folder: what is frozen.
        against: what was frozen at another revision (see ``committed``), which must still hold.
    """
    lines = []
    missing = fresh(documents, folder)
    for name, changes in stale(documents, folder).items():
        if name in missing:
            lines.append(f"{folder / name} is not there yet: {REMEDY}")
            continue
        details = "".join(f"\n  {change}" for change in changes)
        lines.append(f"{folder / name} is not what the code says: {REMEDY}{details}")
    lines += [str(change) for change in broken(against or {}, committed(folder) if against else {})]
    return lines


def committed(folder: Path, revision: str | None = None) -> dict[str, Document]:
    """The frozen files of a folder, by name; as they are, or as they were at a git revision.

    Raises:
        NoSuchRevision: git does not know the revision, or there is no git.
        ValueError: a file is no JSON.
    """
    if revision is None:
        texts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    else:
        commit = _commit(folder, revision)
        names = _git(folder, "ls-tree", "--name-only", commit).splitlines()
        texts = {
            name: _git(folder, "show", f"{commit}:./{name}")
            for name in names
            if name.endswith(".json")
        }
    found = {}
    for name, text in sorted(texts.items()):
        try:
            found[name] = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{folder / name} is no JSON ({error}): {REMEDY}") from error
    return found


def render(document: Document) -> str:
    """A document as it stands in its file: sorted, so that a diff shows what has changed."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _commit(folder: Path, revision: str) -> str:
    try:
        return _git(folder, "rev-parse", "--verify", "--end-of-options", revision).strip()
    except NoSuchRevision as error:
        raise NoSuchRevision(
            f"git knows no revision {revision!r} in {folder}: {error}; fetch it, or name another"
        ) from error


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    except OSError as error:
        raise NoSuchRevision(f"git can't be run: {error}") from error
    except subprocess.CalledProcessError as error:
        raise NoSuchRevision(f"git {arguments[0]} said {error.stderr.strip()!r}") from error
    return done.stdout


def _without_memory(document: Document | None) -> Document | None:
    if document is None:
        return None
    return {key: value for key, value in document.items() if key not in _MEMORY}


def _compared(name: str, old: Mapping[str, Document], new: Mapping[str, Document]) -> list[Change]:
    return compare(old.get(name, {}), new.get(name, {}))


def _excused(old: Document | None, new: Document | None) -> set[str]:
    """What was frozen with a reason since."""
    known = (old or {}).get("breaking", [])
    entries = [entry for entry in (new or {}).get("breaking", []) if entry not in known]
    return {what for entry in entries for what in entry["what"]}
