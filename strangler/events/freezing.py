"""Events, frozen into files, so that a change of one is seen and judged.

``contracts/frozen/<capability>.events.json`` holds what a capability says, by its classes::

    {
      "capability": "catalog",
      "events": {
        "catalog.product.changed": {
          "key": "sku", "schema": 1,
          "data": {<JSON Schema>}, "types": {"Money": {<JSON Schema>}, …}
        }, …
      },
      "past": {"catalog.product.changed": [{"schema": 1, "data": …, "types": …}, …]}
    }

``past`` is the memory of every other form that an event has had: what was said then may still come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from strangler.events.declare import Declared, events
from strangler.events.examples import example
from strangler.ports.freezing.freeze import Document
from strangler.ports.freezing.schema import Schemas


class UnreadablePast(Exception):
    """What was said once could not be read any more; the message says what, and what to write."""

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("not frozen:" + "".join(f"\n  {problem}" for problem in problems))


def documents(capabilities: Iterable[str]) -> dict[str, Document]:
    """What is to be frozen of what these capabilities say, by file name."""
    found = {}
    for capability in capabilities:
        if said := events(capability):
            described = {name: _described(one) for name, one in said.items()}
            document = {"capability": capability, "events": described}
            found[f"{capability}.events.json"] = document
    return found


def problems(frozen: Mapping[str, Document]) -> Iterator[str]:
    """What of the past can't be read any more, by the frozen files: upcasters that are wrong."""
    for document in frozen.values():
        known = events(document["capability"]) if "events" in document else {}
        for name, declared in known.items():
            for older in declared.missing():
                yield (
                    f"{name}: nothing brings schema {older} up to {older + 1}: write "
                    f"@upcaster({declared.record.__name__}, schema={older})"
                )
            forms = [document["events"].get(name), *document.get("past", {}).get(name, ())]
            for form in forms:
                if form and form["schema"] < declared.schema:
                    yield from _tried(declared, form)


def _described(one: Declared) -> Document:
    schemas = Schemas()
    reference = schemas.of(one.record)
    data = schemas.types.pop(reference["$ref"].rpartition("/")[2])
    return {"key": one.key, "schema": one.schema, "data": data, "types": schemas.types}


def _tried(declared: Declared, form: Document) -> Iterator[str]:
    """Bring examples of an old form up, and see whether they are what the event is now."""
    if any(older >= form["schema"] for older in declared.missing()):
        return
    for full in (False, True):
        old = example(form["data"], form["types"], full=full)
        try:
            new = declared.brought_up(msgspec.json.decode(msgspec.json.encode(old)), form["schema"])
            msgspec.convert(new, declared.record, builtin_types=())
        except Exception as error:  # noqa: BLE001 -- whatever an upcaster raises
            yield (
                f"{declared.name}: schema {form['schema']} can't be brought up to "
                f"{declared.schema}: {type(error).__name__}: {error}; tried with {old!r}"
            )
