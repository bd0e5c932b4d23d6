"""Pages of every list: ``?page=2&page_size=50``; a page is never larger than 100."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from extracted.inventory.rest import Asked

USUAL: Final = 20
LARGEST: Final = 100


def page(session: Session, rows: Select[Any], asked: Asked) -> dict[str, Any]:
    """What the client wants of these rows, with the links to the pages beside it.

    Raises:
        HTTPException: there is no such page.
    """
    count = session.scalar(select(func.count()).select_from(rows.order_by(None).subquery())) or 0
    size = _size(asked.last("page_size"))
    pages = max(1, -(-count // size))
    number = _number(asked.last("page"), pages)
    found = session.scalars(rows.offset((number - 1) * size).limit(size)).all()
    return {
        "count": count,
        "next": _link(asked, number + 1) if number < pages else None,
        "previous": _link(asked, number - 1) if number > 1 else None,
        "results": found,
    }


def _size(said: str | None) -> int:
    try:
        size = int(said or "")
    except ValueError:
        return USUAL
    return min(size, LARGEST) if size > 0 else USUAL


def _number(said: str | None, pages: int) -> int:
    if said == "last":
        return pages
    try:
        number = int(said or 1)
    except ValueError:
        number = 0
    if not 1 <= number <= pages:
        raise HTTPException(404, "Invalid page.")
    return number


def _link(asked: Asked, number: int) -> str:
    """The address of this request, on another page; the first one goes without saying."""
    url = asked.request.url
    parameters = parse_qs(url.query, keep_blank_values=True)
    parameters.pop("page", None)
    if number > 1:
        parameters["page"] = [str(number)]
    query = urlencode(sorted(parameters.items()), doseq=True)
    path = quote(asked.request.scope["path"], safe="/:@!$&'()*+,;=~-._")
    return f"{url.scheme}://{url.netloc}{path}{'?' if query else ''}{query}"
