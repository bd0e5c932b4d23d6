"""How request bodies are read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

LIMIT = 1024 * 1024
"""Bytes that a request may have."""


class TooLarge(APIException):
    """The body has more bytes than anybody needs here."""

    status_code = 413
    default_detail = f"A request has {LIMIT} bytes at most."


class BoundedJSONParser(JSONParser):
    """JSON of bounded size and depth; REST framework by itself reads whatever is sent."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The parsed body.

        Raises:
            TooLarge: it has more than ``LIMIT`` bytes.
            ParseError: it is no JSON, or nested too deep.
        """
        body = stream.read(LIMIT + 1)
        if len(body) > LIMIT:
            raise TooLarge
        try:
            return super().parse(io.BytesIO(body), media_type, parser_context)
        except RecursionError:
            raise ParseError("This JSON is nested too deep.") from None
