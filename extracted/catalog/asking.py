"""One request of the public face, read as the monolith's views read theirs."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, NoReturn
from urllib.parse import parse_qs

from fastapi import Request
from starlette.exceptions import HTTPException

from extracted.catalog.fields import Field
from extracted.catalog.service import by_staff
from strangler.fastapi.rest import asking
from strangler.ports.context import current

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Asked:
    """A request with its whole body."""

    def __init__(self, request: Request, body: bytes) -> None:
        self.url = str(request.url)
        self.path_params = request.path_params
        self._request = request
        self._body = body

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The values of each parameter of the query string."""
        said = self._request.scope["query_string"].decode("latin-1")
        return parse_qs(said, keep_blank_values=True)

    def last(self, name: str) -> str | None:
        """The last value of a parameter, which is the one that counts."""
        return self.query.get(name, [None])[-1]

    def admit(self) -> None:
        """Everybody may read, and staff may do all; the answer will be JSON.

        Raises:
            HTTPException: not to this client, or not in the form that it wants.
        """
        asking.negotiate(self._request)
        if self._request.method not in SAFE and not by_staff():
            asking.refuse(current().user)

    def refuse(self, allowed: str) -> NoReturn:
        """This method is none of those that are ``allowed`` here.

        Raises:
            HTTPException: always.
        """
        message = f'Method "{self._request.method}" not allowed.'
        raise HTTPException(405, message, headers={"Allow": allowed})

    def json(self) -> Any:
        """What the body says; an empty one says ``{}``.

        Raises:
            HTTPException: it is no JSON by its type.
            Invalid: it is none by its content.
        """
        return asking.data(self._request, self._body)

    def read(self, field: Field) -> Any:
        """What the body says, checked.

        Raises:
            HTTPException, Invalid: see ``json``, and with everything that is wrong.
        """
        return field.read(self.json())
