"""What inventory's HTTP face answers, each in a transaction of its own."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import Select, false, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, contains_eager
from starlette.exceptions import HTTPException

from contracts.inventory import Inventory
from extracted.inventory import shown
from extracted.inventory.claiming import claim
from extracted.inventory.fields import (
    Checked,
    Choice,
    Field,
    Reference,
    Text,
    Whole,
    Wrong,
    cleaned,
)
from extracted.inventory.models import Movement, Reason, Stock, Warehouse
from extracted.inventory.pages import page
from extracted.inventory.rest import Asked
from extracted.inventory.stocking import BY_HAND, adjust
from strangler.fastapi.rest.asking import Invalid, wrong
from strangler.sqlalchemy.database import Database

SKUS_AT_ONCE: Final = 100
RANK: Final = 100
"""Of a warehouse of which nobody says it."""
SMALL: Final = 32_767
_ASKED: Final = Text(longest=64)
_SKU: Final = Text(longest=64, pattern=r"\A[A-Z0-9]+(-[A-Z0-9]+)*\Z")
_TAKEN: Final = "warehouse with this code already exists."
_NO_SLUG: Final = 'Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.'


class Answers:
    """One method for each operation."""

    def __init__(self, inventory: Inventory, database: Database) -> None:
        self._inventory = inventory
        self._database = database
        self._highest = shown.BIG if database.sqlite else SMALL

    def availability(self, asked: Asked) -> Response:
        """How many of each SKU can be ordered now, over all warehouses, in the order asked."""
        skus = _skus(asked.request.query_params.getlist("sku"))
        found = self._inventory.availability(skus)
        return JSONResponse([{"sku": one.sku, "available": one.available} for one in found])

    def warehouses(self, asked: Asked) -> Response:
        """Every warehouse, in the order in which orders are served from them."""
        with self._database.reading() as session:
            rows = select(Warehouse).order_by(Warehouse.rank, Warehouse.code)
            return JSONResponse(page(session, rows, asked, shown.WarehouseShown.model_validate))

    def create_warehouse(self, asked: Asked) -> Response:
        """A new warehouse."""
        data = asked.data()
        with self._database.transaction() as session:
            said = cleaned(self._fields(session), data, optional=frozenset({"rank"}))
            code = said.pop("code")
            row, new = claim(session, Warehouse, {"code": code}, {"rank": RANK, **said})
            if not new:  # somebody has just been faster
                raise wrong(_TAKEN, ".code")
            return _answered(shown.WarehouseShown.model_validate(row), 201)

    def warehouse(self, asked: Asked) -> Response:
        """One warehouse."""
        with self._database.reading() as session:
            return _answered(shown.WarehouseShown.model_validate(_found(session, asked)))

    def change_warehouse(self, asked: Asked) -> Response:
        """Another code, name or rank for a warehouse."""
        with self._database.transaction() as session:
            row = _found(session, asked, locked=True)
            fields = self._fields(session, row)
            said = cleaned(fields, asked.data(), optional=frozenset(fields))
            try:
                with session.begin_nested():
                    for name, value in said.items():
                        setattr(row, name, value)
            except IntegrityError:
                if _by_code(session, said.get("code", "")) in {None, row}:
                    raise
                raise wrong(_TAKEN, ".code") from None  # somebody has just been faster
            return _answered(shown.WarehouseShown.model_validate(row))

    def stock(self, asked: Asked) -> Response:
        """Every stock, by SKU."""
        rows = (
            select(Stock)
            .join(Stock.warehouse)
            .options(contains_eager(Stock.warehouse))
            .order_by(Stock.sku, Stock.warehouse_id)
        )
        with self._database.reading() as session:
            rows = _narrowed(rows, asked)
            return JSONResponse(page(session, rows, asked, shown.StockShown.of))

    def movements(self, asked: Asked) -> Response:
        """Every movement, newest first."""
        rows = (
            select(Movement)
            .join(Movement.stock)
            .join(Stock.warehouse)
            .options(contains_eager(Movement.stock).contains_eager(Stock.warehouse))
            .order_by(Movement.id.desc())
        )
        with self._database.reading() as session:
            return JSONResponse(
                page(session, _narrowed(rows, asked), asked, shown.MovementShown.of)
            )

    def move(self, asked: Asked) -> Response:
        """Change what is on hand by hand, for a reason."""
        data = asked.data()
        with self._database.transaction() as session:
            fields: dict[str, Field] = {
                "sku": _SKU,
                "warehouse": Reference("code", lambda code: _by_code(session, code)),
                "delta": Checked(Whole(-1_000_000, 1_000_000), _moves_nothing),
                "reason": Choice(tuple(reason.value for reason in BY_HAND)),
                "note": Text(longest=200, blank=True),
            }
            said = cleaned(fields, data, optional=frozenset({"note"}))
            actor = asked.user.id if asked.user else ""
            movement = adjust(session, **{**said, "reason": Reason(said["reason"]), "actor": actor})
            return _answered(shown.MovementShown.of(movement), 201)

    def _fields(self, session: Session, row: Warehouse | None = None) -> dict[str, Field]:
        def taken(code: str) -> str | None:
            other = _by_code(session, code)
            return None if other in {None, row} else _TAKEN

        slug = Text(longest=32, pattern=rf"{shown.SLUG[:-1]}\Z", mismatch=_NO_SLUG)
        return {
            "code": Checked(slug, taken),
            "name": Text(longest=100),
            "rank": Whole(0, self._highest),
        }


def _skus(said: list[str]) -> list[str]:
    skus, problems = [], []
    for index, sku in enumerate(said):
        try:
            skus.append(_ASKED.clean(sku))
        except Wrong as unfit:
            problems += [(f".sku[{index}]", message) for message in unfit.messages]
    if not problems and not skus:
        problems.append((".sku", "Ensure this field has at least 1 elements."))
    if not problems and len(skus) > SKUS_AT_ONCE:
        problems.append((".sku", f"Ensure this field has no more than {SKUS_AT_ONCE} elements."))
    if problems:
        raise Invalid(problems)
    return skus


def _moves_nothing(delta: int) -> str | None:
    return None if delta else "Say how many more, or how many fewer: not 0."


def _by_code(session: Session, code: str) -> Warehouse | None:
    if "\0" in code:  # PostgreSQL would not even look for that
        return None
    return session.scalars(select(Warehouse).filter_by(code=code)).first()


def _found(session: Session, asked: Asked, *, locked: bool = False) -> Warehouse:
    wanted = select(Warehouse).filter_by(code=asked.request.path_params["code"])
    row = session.scalars(wanted.with_for_update() if locked else wanted).first()
    if row is None:
        raise HTTPException(404, "Not found.")
    return row


def _narrowed(rows: Select[Any], asked: Asked) -> Select[Any]:
    """Only the SKU and the warehouse asked for."""
    for name, column in (("sku", Stock.sku), ("warehouse", Warehouse.code)):
        if (value := asked.last(name)) is not None:
            # PostgreSQL would not even look for a zero byte.
            rows = rows.where(false() if "\0" in value else column == value)
    return rows


def _answered(model: BaseModel, status: int = 200) -> Response:
    return JSONResponse(model.model_dump(mode="json"), status)
