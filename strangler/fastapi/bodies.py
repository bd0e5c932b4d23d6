"""Reading request bodies: whole, and never more of them than is wanted."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from strangler.ports.face import LIMIT


async def read(receive: Receive, limit: int) -> bytes | None:
    """The whole body; of one that is longer than ``limit``, a little more than that.

    None where the client has gone before all of it was here: then nobody waits for an answer.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        return body
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            return None
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > limit or not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()


def again(body: bytes, receive: Receive) -> Receive:
    """What the application reads: the body that was read before, then whatever else comes."""
    waiting = [body]

    async def replayed() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replayed


def bounded(receive: Receive, limit: int = LIMIT) -> Receive:
    """The same, until more than ``limit`` bytes have come: then 413."""
    size = 0

    async def counting() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise HTTPException(413)
        return message

    return counting
