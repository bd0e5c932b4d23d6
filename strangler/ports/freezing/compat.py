"""Is a contract still what those who rely on it were promised?

Requests may loosen and responses may gain; everything else breaks somebody, and is reported with
the safe order of deployments. ``strangler.ports.freezing.variance`` has the rules for what is sent
and answered; here are those for methods and errors of a port, and for operations of an HTTP face.
Both are compared in the form in which they are frozen (see ``strangler.ports.freezing.freeze``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from strangler.ports.freezing import events
from strangler.ports.freezing.change import Change, Direction, Order, change
from strangler.ports.freezing.variance import Variance

__all__ = ["Change", "Direction", "Order", "compare"]

Document = Mapping[str, Any]

_EMPTY: Document = {"type": "object", "properties": {}, "required": []}


def compare(old: Document, new: Document) -> list[Change]:
    """Every difference between two frozen files, which hold a port, an HTTP face, or events."""
    if "events" in old or "events" in new:
        return list(events.compare(old, new))
    if "paths" in old or "paths" in new:
        return list(_faces(old, new))
    return list(_ports(old, new))


def _ports(old: Document, new: Document) -> Iterator[Change]:
    owner = new.get("capability", old.get("capability"))
    variance = Variance(old.get("types", {}), new.get("types", {}))
    before, after = old.get("methods", {}), new.get("methods", {})
    yield from _offered(before, after, lambda name: f"{owner}.{name}")
    for name in before:
        if name in after:
            yield from _methods(before[name], after[name], f"{owner}.{name}", variance)


def _offered(before: Document, after: Document, label: Any) -> Iterator[Change]:
    """What can be asked at all: a provider offers before, and withdraws after, its callers."""
    for name in before:
        if name not in after:
            yield change(
                label(name), "removed", Direction.REQUEST, provider_first=False, callers_first=True
            )
    for name in after:
        if name not in before:
            yield change(
                label(name), "added", Direction.REQUEST, provider_first=True, callers_first=False
            )


def _methods(old: Document, new: Document, where: str, variance: Variance) -> Iterator[Change]:
    if old["kind"] != new["kind"]:
        what = f"the {old['kind']} became a {new['kind']}"
        yield change(where, what, Direction.REQUEST, provider_first=False, callers_first=False)
    elif old["idempotent"] != new["idempotent"]:
        now = new["idempotent"]
        yield change(
            where,
            "idempotent now" if now else "not idempotent any more: callers may send it twice",
            Direction.REQUEST,
            provider_first=now,
            callers_first=not now,
        )
    yield from variance.properties(
        old["parameters"], new["parameters"], f"{where}(", ")", Direction.REQUEST
    )
    yield from variance.compare(
        old["returns"], new["returns"], f"{where} → answer", Direction.RESPONSE
    )
    yield from _errors(old["raises"], new["raises"], where, variance)


def _errors(old: Document, new: Document, where: str, variance: Variance) -> Iterator[Change]:
    for name in (*old, *(name for name in new if name not in old)):
        place = f"{where} raises {name}"
        if name not in new:
            yield _answers(place, "removed", gone=True)
        elif name not in old:
            yield _answers(place, "added: callers who do not know it can't read it", gone=False)
        else:
            if old[name]["status"] != new[name]["status"]:
                what = f"HTTP status {old[name]['status']} became {new[name]['status']}"
                yield change(
                    place, what, Direction.RESPONSE, provider_first=False, callers_first=False
                )
            yield from variance.compare(
                old[name]["detail"], new[name]["detail"], place, Direction.RESPONSE
            )


def _answers(where: str, what: str, *, gone: bool) -> Change:
    """One more kind of answer, or one less: callers must know it before it is given."""
    return change(where, what, Direction.RESPONSE, provider_first=gone, callers_first=not gone)


def _faces(old: Document, new: Document) -> Iterator[Change]:
    variance = Variance(*(face.get("components", {}).get("schemas", {}) for face in (old, new)))
    before, after = _operations(old), _operations(new)
    yield from _offered(before, after, str)
    for name in before:
        if name in after:
            yield from _requests(before[name], after[name], name, variance)
            yield from _responses(
                before[name].get("responses", {}), after[name].get("responses", {}), name, variance
            )


def _operations(face: Document) -> dict[str, Document]:
    return {
        f"{method.upper()} {path}": operation
        for path, operations in face.get("paths", {}).items()
        for method, operation in operations.items()
    }


def _requests(old: Document, new: Document, where: str, variance: Variance) -> Iterator[Change]:
    before, after = _parameters(old), _parameters(new)
    for kind in (*before, *(kind for kind in after if kind not in before)):
        yield from variance.properties(
            before.get(kind, _EMPTY),
            after.get(kind, _EMPTY),
            f"{where} {kind} ",
            "",
            Direction.REQUEST,
        )
    # A body is one more member of what is sent: it may be there, be demanded, and have a type.
    yield from variance.properties(_body(old), _body(new), f"{where} ", "", Direction.REQUEST)


def _parameters(operation: Document) -> dict[str, dict[str, Any]]:
    """The parameters by where they stand (query, path, header), each as one object schema."""
    found: dict[str, dict[str, Any]] = {}
    for parameter in operation.get("parameters", ()):
        group = found.setdefault(
            parameter["in"], {"type": "object", "properties": {}, "required": []}
        )
        group["properties"][parameter["name"]] = parameter.get("schema", {})
        if parameter.get("required"):
            group["required"].append(parameter["name"])
    return found


def _body(operation: Document) -> Document:
    body = operation.get("requestBody")
    if body is None:
        return _EMPTY
    required = ["body"] if body.get("required") else []
    return {"type": "object", "properties": {"body": _json(body) or {}}, "required": required}


def _responses(old: Document, new: Document, where: str, variance: Variance) -> Iterator[Change]:
    for status in (*old, *(status for status in new if status not in old)):
        place = f"{where} → {status}"
        if status not in new:
            yield _answers(place, "removed", gone=True)
        elif status not in old:
            yield _answers(place, "added: callers do not know it", gone=False)
        else:
            before, after = _json(old[status]), _json(new[status])
            if before is not None and after is not None:
                yield from variance.compare(before, after, place, Direction.RESPONSE)
            elif before is not after:
                what = "has no body any more" if after is None else "has a body now"
                yield change(
                    place,
                    what,
                    Direction.RESPONSE,
                    provider_first=before is None,
                    callers_first=after is None,
                )


def _json(holder: Document) -> Document | None:
    found: Document | None = holder.get("content", {}).get("application/json", {}).get("schema")
    return found
