"""One request of the public face, read as the monolith's views read theirs."""

from __future__ import annotations

import codecs
import io
import json
from email.message import Message
from functools import cached_property
from typing import Any, Final, NoReturn
from urllib.parse import parse_qs

from fastapi import Request
from starlette.exceptions import HTTPException

from extracted.catalog.fields import Field, Invalid, wrong
from extracted.catalog.service import by_staff
from strangler.ports.context import current

JSON: Final = "application/json"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Asked:
    """A request with its whole body."""

    def __init__(self, request: Request, body: bytes) -> None:
        self.method = request.method
        self.url = str(request.url)
        self.path_params = request.path_params
        self._headers = request.headers
        self._query = request.scope["query_string"].decode("latin-1")
        self._body = body

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The values of each parameter of the query string."""
        return parse_qs(self._query, keep_blank_values=True)

    def last(self, name: str) -> str | None:
        """The last value of a parameter, which is the one that counts."""
        return self.query.get(name, [None])[-1]

    def admit(self) -> None:
        """Everybody may read, and staff may do all; the answer will be JSON.

        Raises:
            HTTPException: not to this client, or not in the form that it wants.
        """
        if self.last("format") not in {None, "", "json"}:
            raise HTTPException(404, "Not found.")
        accepted = self._headers.get("accept", "*/*").split(",")
        if not any(_matches(kind) for kind in accepted):
            raise HTTPException(406, "Could not satisfy the request Accept header.")
        if self.method in SAFE or by_staff():
            return
        if current().user is None:
            raise HTTPException(
                401,
                "Authentication credentials were not provided.",
                headers={"WWW-Authenticate": 'Bearer realm="shop"'},
            )
        raise HTTPException(403, "You do not have permission to perform this action.")

    def refuse(self, allowed: str) -> NoReturn:
        """This method is none of those that are ``allowed`` here.

        Raises:
            HTTPException: always.
        """
        message = f'Method "{self.method}" not allowed.'
        raise HTTPException(405, message, headers={"Allow": allowed})

    def json(self) -> Any:
        """What the body says; an empty one says ``{}``.

        Raises:
            HTTPException: it is no JSON by its type.
            Invalid: it is none by its content.
        """
        if not self._body:
            return {}
        kind = self._headers.get("content-type", "")
        if not _matches(kind):
            raise HTTPException(415, f'Unsupported media type "{kind}" in request.')
        try:
            text = codecs.getreader(_charset(kind))(io.BytesIO(self._body)).read()
            found = json.loads(text, parse_constant=_no_constant)
        except RecursionError:
            raise wrong("This JSON is nested too deep.") from None
        except ValueError as error:
            raise wrong(f"JSON parse error - {error}") from None
        if found is None:
            raise wrong("No data provided")
        return found

    def read(self, field: Field) -> Any:
        """What the body says, checked.

        Raises:
            HTTPException, Invalid: see ``json``, and with everything that is wrong.
        """
        return field.read(self.json())


def _matches(kind: str) -> bool:
    main, _, sub = kind.partition(";")[0].strip().lower().partition("/")
    return main in {"*", "application"} and sub in {"*", "json"}


def _charset(kind: str) -> str:
    """The encoding that a content type names, if there is such a one; or else UTF-8."""
    message = Message()
    message["content-type"] = kind
    name = message.get_content_charset("utf-8")
    try:
        "".encode(name)
    except (LookupError, UnicodeError):
        return "utf-8"
    return name


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"Out of range float values are not JSON compliant: {name!r}")


__all__ = ["JSON", "Asked", "Invalid"]
