"""What visitors ask the shop with: much cheaper than a client that can do everything.

Connections are kept and shared; cookies are each visitor's own.
"""

from __future__ import annotations

import asyncio
import json
import select
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPMessage
from http.cookies import SimpleCookie
from typing import Any, Self
from urllib.parse import urlsplit


class Unanswered(Exception):
    """No answer came; the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the shop's."""

    status: int
    headers: HTTPMessage
    content: bytes

    @property
    def text(self) -> str:
        """As it reads."""
        return self.content.decode(errors="replace")

    @property
    def cookies(self) -> dict[str, str]:
        """What is to be kept."""
        found = (SimpleCookie(one) for one in self.headers.get_all("Set-Cookie", ()))
        return {name: morsel.value for cookie in found for name, morsel in cookie.items()}

    def json(self) -> Any:
        """What it says.

        Raises:
            ValueError: nothing that anybody could read.
        """
        return json.loads(self.content)


class Browser:
    """Asks one shop, over as many connections as there may be questions at a time."""

    def __init__(self, base: str, *, connections: int, timeout: float) -> None:
        parts = urlsplit(base)
        self._connect = partial(HTTPConnection, parts.hostname or "", parts.port, timeout=timeout)
        self._idle: deque[HTTPConnection] = deque()
        self._threads = ThreadPoolExecutor(connections, "visitor")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        for connection in self._idle:
            connection.close()

    async def ask(
        self, method: str, path: str, *, headers: Mapping[str, str], body: Any = None
    ) -> Answer:
        """Ask once.

        Raises:
            Unanswered: no answer came.
        """
        given = dict(headers)
        content = None
        if body is not None:
            given["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        asked = partial(self._ask, method, path, given, content)
        return await asyncio.get_running_loop().run_in_executor(self._threads, asked)

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        connection = self._connection()
        try:
            connection.request(method, path, body, headers)
            with connection.getresponse() as response:
                answer = Answer(response.status, response.headers, response.read())
        except (OSError, HTTPException) as error:
            connection.close()
            raise Unanswered(f"{type(error).__name__} {error}") from error
        self._idle.append(connection)
        return answer

    def _connection(self) -> HTTPConnection:
        """One that is kept, unless the shop has hung up; else a new one."""
        with suppress(IndexError):
            connection = self._idle.pop()
            if connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
                connection.close()  # it opens again by itself
            return connection
        return self._connect()
