"""Pages of every list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from extracted.inventory.rest import Asked
from strangler.fastapi.rest import paging


def page(
    session: Session, rows: Select[Any], asked: Asked, show: Callable[[Any], BaseModel]
) -> dict[str, Any]:
    """What the client wants of these rows, with the links to the pages beside it.

    Raises:
        HTTPException: there is no such page.
    """
    count = session.scalar(select(func.count()).select_from(rows.order_by(None).subquery())) or 0
    found = paging.page(asked.last("page"), asked.last("page_size"), count)
    results = session.scalars(rows.offset(found.offset).limit(found.size))
    shown = [show(row).model_dump(mode="json") for row in results]
    return found.of(shown, str(asked.request.url))
