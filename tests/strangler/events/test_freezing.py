"""What was said once can be read for ever: every kind of change, judged, and tried."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from strangler.events import declare
from strangler.events.declare import event, upcaster
from strangler.events.envelope import Unreadable, envelope, opened
from strangler.events.freezing import documents, problems
from strangler.ports.freezing.change import Order
from strangler.ports.freezing.freeze import Incompatible, check, committed, freeze_all

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TYPE = "shelf.book.changed"


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declare, "_declared", {})


def said(fields: list[Any], *, key: str = "isbn", schema: int = 1) -> type:
    """The event as it is declared from now on."""
    record = make_dataclass(
        "BookChanged", fields, frozen=True, slots=True, namespace={"__module__": __name__}
    )
    return event(TYPE, key=key, schema=schema)(record)


ISBN, TITLE = ("isbn", str), ("title", str)


def freeze(folder: Path, *, reason: str | None = None) -> list[Any]:
    return freeze_all(documents(["shelf"]), folder, reason=reason)


@pytest.mark.parametrize(
    ("fields", "order"),
    [
        ([ISBN, TITLE, ("pages", int, 0)], Order.ANY),
        ([ISBN], Order.LISTENERS_FIRST),
        ([ISBN, ("title", str | None)], Order.LISTENERS_FIRST),
        ([ISBN, TITLE, ("pages", int)], Order.SCHEMA),
        ([ISBN, ("title", int)], Order.SCHEMA),
        ([ISBN, ("title", Decimal)], Order.SCHEMA),
    ],
    ids=["gains", "loses", "widens", "demands", "another type", "narrows"],
)
def test_what_listeners_could_not_read_is_refused(tmp_path: Path, fields: list[Any], order: Order):
    said([ISBN, TITLE])
    assert freeze(tmp_path) == []
    said(fields)
    if order is Order.SCHEMA:
        with pytest.raises(Incompatible) as refused:
            freeze(tmp_path)
        assert order in {change.order for change in refused.value.changes}
        assert "upcaster" in str(refused.value)
    else:
        assert [change.order for change in freeze(tmp_path)] == [order]
        assert check(documents(["shelf"]), tmp_path) == []


def test_it_is_compared_with_every_form_that_it_has_had(tmp_path: Path):
    said([ISBN, TITLE])
    freeze(tmp_path)
    said([ISBN])
    freeze(tmp_path)
    said([ISBN, ("title", int, 0)])  # which is only wrong beside the first
    with pytest.raises(Incompatible, match="string became integer"):
        freeze(tmp_path)
    assert len(committed(tmp_path)["shelf.events.json"]["past"][TYPE]) == 1


def test_another_key_is_another_order(tmp_path: Path):
    said([ISBN, TITLE])
    freeze(tmp_path)
    said([ISBN, TITLE], key="title")
    with pytest.raises(Incompatible, match="the key isbn became title"):
        freeze(tmp_path)


def test_an_event_that_is_gone_takes_a_reason(tmp_path: Path):
    said([ISBN, TITLE])
    freeze(tmp_path)
    declare._declared.clear()
    with pytest.raises(Incompatible, match="removed"):
        freeze_all({}, tmp_path)
    freeze_all({}, tmp_path, reason="nobody listens")
    assert list(tmp_path.iterdir()) == []


def brings_a_title(old: dict[str, Any]) -> dict[str, Any]:
    return {"isbn": old["isbn"], "name": old["title"]}


def brings_nothing(old: dict[str, Any]) -> dict[str, Any]:
    return {"isbn": old["isbn"]}


def fails(old: dict[str, Any]) -> dict[str, Any]:
    return {"isbn": old["isbn"], "name": old["titel"]}


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        (None, "nothing brings schema 1 up to 2: write @upcaster(BookChanged, schema=1)"),
        (brings_nothing, "missing required field `name`"),
        (fails, "KeyError: 'titel'"),
        (brings_a_title, None),
    ],
    ids=["none", "of the wrong form", "that fails", "that is right"],
)
def test_an_upcaster_is_asked_for_and_tried(
    tmp_path: Path, written: Callable[..., Any] | None, complaint: str | None
):
    said([ISBN, TITLE])
    freeze(tmp_path)
    record = said([ISBN, ("name", str)], schema=2)
    if written:
        upcaster(record, schema=1)(written)
    for moment in ("before it is frozen", "after"):
        found = list(problems(committed(tmp_path)))
        assert len(found) >= 1 if complaint else not found, moment
        assert complaint is None or any(complaint in line for line in found), found
        freeze(tmp_path)


def test_an_old_event_is_brought_up_when_it_is_opened():
    record = said([ISBN, ("name", str)], schema=3)
    upcaster(record, schema=1)(lambda old: {"isbn": old["isbn"], "titles": [old["title"]]})
    upcaster(record, schema=2)(lambda old: {"isbn": old["isbn"], "name": old["titles"][0]})
    for schema, data in ((1, {"title": "T"}), (2, {"titles": ["T", "U"]}), (3, {"name": "T"})):
        found = opened(envelope_of(schema, {"isbn": "1", **data}))
        assert (found.isbn, found.name) == ("1", "T")
    with pytest.raises(Unreadable, match="title"):
        opened(envelope_of(1, {"isbn": "1"}))


def envelope_of(schema: int, data: dict[str, Any]) -> Any:
    return envelope(
        id="1",
        type=TYPE,
        key="1",
        version=1,
        schema=schema,
        at=NOW,
        payload=json.dumps(data).encode(),
        trace=None,
    )


def test_an_upcaster_is_said_once_and_for_an_older_schema():
    record = said([ISBN], schema=2)
    upcaster(record, schema=1)(dict)
    for schema in (0, 1, 2):
        with pytest.raises(ValueError, match="is said once"):
            upcaster(record, schema=schema)(dict)


def test_everything_that_is_wrong_with_an_event_is_said_at_once():
    @dataclass
    class Wrong:
        what: object

    with pytest.raises(declare.BadEvent) as refused:
        event("Wrong", key="nope", schema=0)(Wrong)
    said_of_it = str(refused.value)
    for part in ("'Wrong'", "schema 0", "not frozen and slotted", "found object", "key 'nope'"):
        assert part in said_of_it
