"""Pages of a list: ``?page=2&page_size=50``."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from starlette.exceptions import HTTPException

_SIZE: Final = 20
_LARGEST: Final = 100


@dataclass(frozen=True, slots=True)
class Page:
    """One page of ``count`` things."""

    number: int
    size: int
    count: int

    @property
    def offset(self) -> int:
        """How many come before it."""
        return (self.number - 1) * self.size

    def links(self, url: str) -> tuple[str | None, str | None]:
        """Where the next page and the one before it are, if there are such."""
        later = self.number < _pages(self.count, self.size)
        after = _with(url, self.number + 1) if later else None
        before = _with(url, self.number - 1) if self.number > 1 else None
        return after, before


def page(number: str | None, size: str | None, count: int) -> Page:
    """The page that a query string asks for.

    Raises:
        HTTPException: there is none.
    """
    per_page = _size(size)
    pages = _pages(count, per_page)
    try:
        wanted = pages if number == "last" else int(number or 1)
    except ValueError:
        wanted = 0
    if not 1 <= wanted <= pages:
        raise HTTPException(404, "Invalid page.")
    return Page(wanted, per_page, count)


def _size(text: str | None) -> int:
    try:
        size = int(text or "")
    except ValueError:
        return _SIZE
    return min(size, _LARGEST) if size > 0 else _SIZE


def _pages(count: int, size: int) -> int:
    return ceil(max(1, count) / size)


def _with(url: str, number: int) -> str:
    """The same URL for another page; the first one is not named."""
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    query.pop("page", None)
    if number > 1:
        query["page"] = [str(number)]
    return urlunsplit(parts._replace(query=urlencode(sorted(query.items()), doseq=True)))
