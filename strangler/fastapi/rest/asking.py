"""What a client sends, and in which form it wants the answer, in the words of REST framework."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterable
from email.message import Message
from typing import Any, NoReturn

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from strangler.fastapi.errors import problem
from strangler.ports.context import User


class Invalid(Exception):
    """What is wrong, as pairs of a JSON path below the value (empty: itself) and a message."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        self.problems = list(problems)

    def response(self) -> Response:
        """What the client is told."""
        problems = [{"path": f"${path}", "message": text} for path, text in self.problems]
        first = problems[0]
        message = f"{first['message']} - at `{first['path']}`"
        detail = {"path": first["path"], "problems": problems}
        return problem(400, "InvalidRequest", message, detail=detail)


def wrong(message: str, path: str = "") -> Invalid:
    """One thing is wrong."""
    return Invalid([(path, message)])


def negotiate(request: Request) -> None:
    """See that the client wants JSON, which is all that there is.

    Raises:
        HTTPException: it does not.
    """
    said = request.query_params.getlist("format")
    if said and said[-1] not in {"", "json"}:
        raise HTTPException(404, "Not found.")
    accepted = request.headers.get("accept", "*/*").split(",")
    if not any(_matches(one) for one in accepted):
        raise HTTPException(406, "Could not satisfy the request Accept header.")


def data(request: Request, body: bytes) -> Any:
    """What the body says; an empty one says ``{}``.

    Raises:
        HTTPException: it is no JSON by its type.
        Invalid: it is none by its content.
    """
    if not body:
        return {}
    kind = request.headers.get("content-type", "")
    if not _matches(kind):
        raise HTTPException(415, f'Unsupported media type "{kind}" in request.')
    try:
        text = codecs.getreader(_charset(kind))(io.BytesIO(body)).read()
        found = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise wrong("This JSON is nested too deep.") from None
    except ValueError as error:
        raise wrong(f"JSON parse error - {error}") from None
    if found is None:
        raise wrong("No data provided")
    return found


def refuse(user: User | None) -> NoReturn:
    """This client may not do this.

    Raises:
        HTTPException: always.
    """
    if user is None:
        message = "Authentication credentials were not provided."
        raise HTTPException(401, message, {"WWW-Authenticate": 'Bearer realm="shop"'})
    raise HTTPException(403, "You do not have permission to perform this action.")


def _matches(kind: str) -> bool:
    """Whether JSON is of this type, which may have stars in it."""
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
