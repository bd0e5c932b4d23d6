"""Can those who listen still read everything that was ever said?

An event lies on a bus, in a backlog, in an archive: whoever reads it may be much younger than what
it was written by. So its data are compared as a response is, and a change is compatible if the
listeners may be deployed first: then they read what is said now and what was said before. It is
compared not only with what was frozen last, but with every form that events of this schema have
ever had (``past`` in the frozen file). For any other change the schema is raised, and there is an
upcaster; that it does its work is seen to in ``strangler.events.freezing``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from strangler.ports.freezing.change import Change, Direction, Order
from strangler.ports.freezing.variance import Variance

Document = Mapping[str, Any]
"""A frozen file: see ``strangler.events.freezing``."""

_ORDERS = {Order.ANY: Order.ANY, Order.CALLERS_FIRST: Order.LISTENERS_FIRST}
"""What of a response's orders is compatible for events, and how it is said of them."""


def compare(old: Document, new: Document) -> Iterator[Change]:
    """Every difference between two frozen files of events."""
    before, after = old.get("events", {}), new.get("events", {})
    for name in before:
        if name not in after:
            yield _change(name, "removed: whoever listens to it waits for ever", Order.STEPS)
    for name, now in after.items():
        if name in before:
            yield from _one(name, before[name], now)
            for past in old.get("past", {}).get(name, ()):
                found = _data(name, past, now)
                yield from (change for change in found if not change.compatible)
        else:
            yield _change(name, "added", Order.ANY)


def remembered(old: Document, new: Document) -> dict[str, list[Any]]:
    """Every form that the events of the new file have had before, by type, oldest first."""
    found: dict[str, list[Any]] = {}
    for name, now in new.get("events", {}).items():
        forms = list(old.get("past", {}).get(name, ()))
        last = _form(old["events"][name]) if name in old.get("events", {}) else None
        if last is not None and last != _form(now) and last not in forms:
            forms.append(last)
        if forms:
            found[name] = forms
    return found


def _one(name: str, old: Document, new: Document) -> Iterator[Change]:
    if old["key"] != new["key"]:
        what = f"the key {old['key']} became {new['key']}: what is in order is another thing now"
        yield _change(name, what, Order.STEPS)
    if new["schema"] > old["schema"]:
        what = f"schema {old['schema']} became {new['schema']}; old ones are brought up"
        yield _change(name, what, Order.CALLERS_FIRST)
    elif new["schema"] < old["schema"]:
        what = f"schema {old['schema']} became {new['schema']}, which was said before"
        yield _change(name, what, Order.STEPS)
    yield from _data(name, old, new)


def _data(name: str, old: Document, new: Document) -> Iterator[Change]:
    if old["schema"] != new["schema"]:
        return
    variance = Variance(old["types"], new["types"])
    for found in variance.compare(old["data"], new["data"], name, Direction.RESPONSE):
        yield _change(found.where, found.what, found.order)


def _change(where: str, what: str, order: Order) -> Change:
    said = _ORDERS.get(order, Order.SCHEMA)
    return Change(where, what, Direction.EVENT, said is not Order.SCHEMA, said)


def _form(event: Document) -> dict[str, Any]:
    return {key: event[key] for key in ("schema", "data", "types")}
