"""A declaration that could not end well is refused, with everything that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from strangler.ports.errors import DeclaredError
from strangler.saga.data import Written
from strangler.saga.declare import Here, Saga, compensable, nothing, pivot, retriable
from strangler.saga.errors import BadData, DeclarationError
from strangler.saga.machine import Kind, Shape


@dataclass(frozen=True, slots=True)
class Trip:
    name: str
    price: Decimal = Decimal(1)
    at: datetime | None = None


@dataclass
class Loose:
    things: set[str]


class FullUp(DeclaredError):
    """There is no room left."""


def act(trip: Trip, here: Here) -> None:
    pass


async def later(trip: Trip, here: Here) -> None:
    pass


def alone(trip: Trip) -> None:
    pass


def violations(*args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(DeclarationError) as refused:
        Saga(*args, **kwargs)
    assert all(str(one) in str(refused.value) for one in refused.value.violations)
    return [f"{one.where}: {one.found}" for one in refused.value.violations]


def test_what_is_declared_is_what_the_machine_goes_by():
    saga = Saga(
        "trips.book",
        Trip,
        compensable("look", act, nothing, local=True),
        pivot("pay", act, refusals=[FullUp]),
        retriable("tell", act),
        attempts=7,
    )

    assert saga.plan.steps == (
        Shape(Kind.COMPENSABLE, local=True, undoable=True),
        Shape(Kind.PIVOT, undoable=False),
        Shape(Kind.RETRIABLE, undoable=False),
    )
    assert (saga.plan.attempts, saga.capability) == (7, "trips")
    assert repr(saga) == "<Saga trips.book>"
    assert saga.steps[0].act(back=True) is nothing


def test_everything_is_said_at_once():
    assert violations(
        "Trips",
        Loose,
        retriable("early", act),
        compensable("Book", act, None),  # type: ignore[arg-type]  # the mistake
        pivot("pay", later, act, local=True),  # type: ignore[arg-type]  # ditto
        pivot("pay", alone, refusals=[KeyError]),  # type: ignore[arg-type, list-item]  # ditto
        compensable("late", act, act),
        abandoned=alone,  # type: ignore[arg-type]  # ditto
        deadline=timedelta(0),
        lease=timedelta(seconds=-1),
        attempts=0,
    ) == [
        "Trips: the name 'Trips'",
        "Trips data: the dataclass Loose, which is not frozen and slotted",
        "Trips data → Loose.things: set[str]",
        "Trips: 2 pivots: pay, pay",
        "Trips.early: a retriable step before the pivot",
        "Trips.pay: that name twice",
        "Trips.late: a compensable step behind the pivot",
        "Trips.Book: the name 'Book'",
        "Trips.Book: no compensation",
        f"Trips.pay action: {later!r}",
        "Trips.pay: a compensation of a local pivot",
        "Trips.pay action: the signature (trip: 'Trip') -> 'None'",
        "Trips.pay refusals: <class 'KeyError'>",
        "Trips abandoned: the signature (trip: 'Trip') -> 'None'",
        "Trips deadline: 0.0",
        "Trips lease: -1.0",
        "Trips attempts: 0",
    ]


def test_there_is_a_point_of_no_return():
    assert violations("trips.book", Trip) == ["trips.book: no pivot"]
    assert violations("trips.book", str, pivot("pay", act)) == ["trips.book data: str"]


def test_a_key_is_the_same_for_every_try():
    saga = UUID(int=1)
    here = Here(saga, "pay", 1)

    assert here.key == Here(saga, "pay", 9, cause="FullUp").key == f"{saga}:pay"


def test_data_is_written_by_the_rules_of_ports():
    written = Written(Trip)

    assert written.decode(written.encode(Trip("ann"))) == Trip("ann")
    assert written.decode('{"name": "ann"}') == Trip("ann"), "what is new has a default"
    with pytest.raises(BadData, match=r"\$\.price: Expected a finite decimal"):
        written.encode(Trip("ann", Decimal("NaN")))
    with pytest.raises(BadData, match="a datetime with a time zone"):
        written.encode(Trip("ann", at=datetime(2026, 1, 1)))  # noqa: DTZ001 - the mistake
    with pytest.raises(BadData, match="Expected `str`"):
        written.decode('{"name": 1}')
    with pytest.raises(BadData):
        written.encode(Trip(1))  # type: ignore[arg-type]  # the mistake
