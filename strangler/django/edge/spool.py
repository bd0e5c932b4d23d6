"""A request's body, read once and kept, so that either arm can have it."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from django.core.handlers.wsgi import LimitedStream
from django.http import HttpRequest
from django.http.request import RawPostDataException

from strangler.ports import face

IN_MEMORY = 256 * 1024
"""Bytes that are kept in memory; a larger body goes to a temporary file."""
LIMIT = face.LIMIT
"""Bytes of the largest body that may go to a service: as many as a service takes."""
_CHUNK = 64 * 1024


class TooLarge(ValueError):
    """The body is larger than ``LIMIT``."""


class Unreadable(ValueError):
    """The body does not come as its framing says: a malformed chunk, or a client that has gone."""


class Spool:
    """The whole body of one request.

    Raises:
        TooLarge: it is larger than ``LIMIT``.
        Unreadable: it can't be read to its end.
        RawPostDataException: a middleware before this one has consumed it.
    """

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._file: IO[bytes] | None = None
        meta: dict[str, Any] = request.META
        chunked = "chunked" in meta.get("HTTP_TRANSFER_ENCODING", "").lower()
        length = _length(meta)
        if length > LIMIT:
            raise TooLarge(f"a body of {length} bytes; at most {LIMIT} go to a service")
        known = getattr(request, "_body", None)
        if isinstance(known, bytes):
            self._memory, self.size = known, len(known)
            return
        if getattr(request, "_read_started", False):
            raise RawPostDataException(
                "the body was read before it came here: put strangler's middleware before the one "
                "that reads it"
            )
        self._memory, self.size = b"", 0
        if "wsgi.input" not in meta:
            # ASGI: Django has the whole body already, whether a length was announced or not.
            self._take(request, LIMIT + 1)
        elif chunked and meta.get("wsgi.input_terminated"):
            self._take(meta["wsgi.input"], LIMIT + 1)
            meta["CONTENT_LENGTH"] = str(self.size)
        elif length:
            self._take(request, length)
        if self.size > LIMIT:
            self.close()
            raise TooLarge(f"a body of more than {LIMIT} bytes; at most that go to a service")
        self.rewind()

    def _take(self, stream: Any, most: int) -> None:
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  # see close()
        try:
            while self.size < most and (chunk := _read(stream, min(_CHUNK, most - self.size))):
                file.write(chunk)
                self.size += len(chunk)
        except BaseException:
            file.close()
            raise
        if self.size > IN_MEMORY:
            self._file = file
            return
        file.seek(0)
        self._memory = file.read()
        file.close()

    def rewind(self) -> None:
        """Put the body back, so that whoever reads the request gets it from the beginning."""
        if isinstance(getattr(self._request, "_body", None), bytes):
            return
        request: Any = self._request
        stream: Any = self.open()
        if "wsgi.input" in request.META:
            request.META["wsgi.input"] = stream
            stream = LimitedStream(stream, self.size)
        request._stream = stream  # noqa: SLF001  # what Django's own requests do
        request._read_started = False  # noqa: SLF001  # ditto

    def open(self) -> IO[bytes]:
        """The body as a file, at its beginning."""
        if self._file is None:
            return io.BytesIO(self._memory)
        self._file.seek(0)
        return self._file

    def __iter__(self) -> Iterator[bytes]:
        """The body in pieces, from the beginning."""
        stream = self.open()
        while chunk := stream.read(_CHUNK):
            yield chunk

    def content(self) -> bytes:
        """The whole body."""
        return self._memory if self._file is None else self.open().read()

    def close(self) -> None:
        """Give a temporary file back."""
        if self._file is not None:
            self._file.close()


def _read(stream: Any, size: int) -> bytes:
    try:
        return bytes(stream.read(size))
    except Exception as error:  # each server has errors of its own for this
        raise Unreadable("the body can't be read: it is malformed, or was broken off") from error


def _length(meta: dict[str, Any]) -> int:
    try:
        return max(0, int(meta.get("CONTENT_LENGTH") or 0))
    except ValueError:
        return 0
