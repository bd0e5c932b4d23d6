"""Reading one HTTP/1.1 answer from a socket, strictly and before a deadline."""

from __future__ import annotations

import re
import socket
import time

from strangler.ports.calling.wire import Answer
from strangler.ports.errors import BadAnswer

HEAD = 64 * 1024
"""Bytes of status line and headers at most."""
BODY = 64 * 1024 * 1024
"""Bytes of a body at most."""
_CHUNK = 64 * 1024
_STATUS_LINE = re.compile(r"(HTTP/1\.[01]) ([1-5][0-9]{2})(?: .*)?")


class WireClosed(Exception):
    """The connection ended before the answer was whole."""


class Reader:
    """Reads one answer. ``begun`` tells whether anything at all has come."""

    __slots__ = ("_connection", "_data", "_deadline", "begun")

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._data = b""
        self.begun = False

    def answer(self) -> tuple[Answer, bool]:
        """The answer, and whether the connection may be used again.

        Raises:
            WireClosed: the connection ended first.
            TimeoutError: the deadline passed first.
            BadAnswer: what came is no answer that a port endpoint gives.
        """
        while True:
            version, status, headers = self._head()
            if status >= 200:
                break
            if status == 101:
                raise BadAnswer("101: nobody asked for another protocol")
        reuse = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        if status in {204, 304}:
            body = b""
        elif coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise BadAnswer(f"Transfer-Encoding: {coding}, Content-Length: {length}")
            body = self._chunks()
        elif length is not None:
            body = self._exactly(_number(length, 10))
        else:
            body = self._rest()
            reuse = False
        if self._data:
            raise BadAnswer("more came than the answer said that it has")
        return Answer(status, headers, body), reuse

    def _head(self) -> tuple[str, int, dict[str, str]]:
        while (end := self._data.find(b"\r\n\r\n")) < 0:
            if self._data and not self._data.startswith(b"HTTP/1."[: len(self._data)]):
                raise BadAnswer(f"{self._data[:40]!r} is no HTTP answer")
            if len(self._data) > HEAD:
                raise BadAnswer(f"headers of more than {HEAD} bytes")
            self._more()
        lines = self._data[:end].decode("latin-1").split("\r\n")
        self._data = self._data[end + 4 :]
        started = _STATUS_LINE.fullmatch(lines[0])
        if started is None:
            raise BadAnswer(f"{lines[0][:40]!r} is no HTTP status line")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BadAnswer(f"{line[:40]!r} is no HTTP header")
            name = name.lower()
            value = value.strip(" \t")
            if name in headers:
                if name in {"content-length", "transfer-encoding"}:
                    raise BadAnswer(f"{name} twice")
                value = f"{headers[name]}, {value}"
            headers[name] = value
        return started[1], int(started[2]), headers

    def _exactly(self, length: int) -> bytes:
        if length > BODY:
            raise BadAnswer(f"a body of {length} bytes; at most {BODY}")
        if len(self._data) < length:
            parts, have = [self._data], len(self._data)
            while have < length:
                self._data = b""
                self._more()
                parts.append(self._data)
                have += len(self._data)
            self._data = b"".join(parts)
        body, self._data = self._data[:length], self._data[length:]
        return body

    def _chunks(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while size := _number(self._line().partition(";")[0].strip(), 16):
            total += size
            if total > BODY:
                raise BadAnswer(f"a body of more than {BODY} bytes")
            parts.append(self._exactly(size))
            if self._exactly(2) != b"\r\n":
                raise BadAnswer("a chunk is longer than it said")
        while self._line():
            pass  # trailers
        return b"".join(parts)

    def _rest(self) -> bytes:
        parts, have = [self._data], len(self._data)
        while have <= BODY:
            self._data = b""
            try:
                self._more()
            except WireClosed:
                return b"".join(parts)
            parts.append(self._data)
            have += len(self._data)
        raise BadAnswer(f"a body of more than {BODY} bytes")

    def _line(self) -> str:
        while (end := self._data.find(b"\r\n")) < 0:
            if len(self._data) > HEAD:
                raise BadAnswer("a line without end")
            self._more()
        line, self._data = self._data[:end], self._data[end + 2 :]
        return line.decode("latin-1")

    def _more(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        try:
            data = self._connection.recv(_CHUNK)
        except TimeoutError:
            raise
        except OSError as error:
            raise WireClosed(f"broke off: {error}") from error
        if not data:
            raise WireClosed("closed before the answer was whole")
        self.begun = True
        self._data = self._data + data if self._data else data


def _number(text: str, base: int) -> int:
    digits = "0123456789abcdefABCDEF" if base == 16 else "0123456789"
    if not text or len(text) > 16 or text.strip(digits):
        raise BadAnswer(f"{text[:40]!r} is no length")
    return int(text, base)
