"""Pages of a list: ``?page=2&page_size=50``; a page is never larger than 100."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from starlette.exceptions import HTTPException

USUAL: Final = 20
LARGEST: Final = 100


@dataclass(frozen=True, slots=True)
class Page:
    """One page of ``count`` things, of ``pages`` with ``size`` each."""

    number: int
    pages: int
    size: int
    count: int

    @property
    def offset(self) -> int:
        """How many come before it."""
        return (self.number - 1) * self.size

    def of(self, results: list[Any], url: str) -> dict[str, Any]:
        """What is answered: these results, with the links to the pages beside it."""
        return {
            "count": self.count,
            "next": _with(url, self.number + 1) if self.number < self.pages else None,
            "previous": _with(url, self.number - 1) if self.number > 1 else None,
            "results": results,
        }


def page(number: str | None, size: str | None, count: int) -> Page:
    """The page that a query string asks for.

    Raises:
        HTTPException: there is none.
    """
    per_page = _size(size)
    pages = max(1, -(-count // per_page))
    try:
        wanted = pages if number == "last" else int(number or 1)
    except ValueError:
        wanted = 0
    if not 1 <= wanted <= pages:
        raise HTTPException(404, "Invalid page.")
    return Page(wanted, pages, per_page, count)


def _size(said: str | None) -> int:
    try:
        size = int(said or "")
    except ValueError:
        return USUAL
    return min(size, LARGEST) if size > 0 else USUAL


def _with(url: str, number: int) -> str:
    """The same URL for another page; the first one goes without saying."""
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    query.pop("page", None)
    if number > 1:
        query["page"] = [str(number)]
    return urlunsplit(parts._replace(query=urlencode(sorted(query.items()), doseq=True)))
