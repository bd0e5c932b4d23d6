"""Which headers of a client's request a service may see, and which of its answer the client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from strangler.ports.credentials import speaks_of_one

Headers = Sequence[tuple[str, str]]


def outgoing(
    meta: Mapping[str, Any],
    *,
    host: str,
    secure: bool,
) -> list[tuple[str, str]]:
    """The headers of a client's request that a service may see, with who asked for what.

    Left out are those of the connection, our own, and whatever speaks of a credential by its name:
    the client's credentials are the monolith's business.
    """
    nominated = {
        name.strip().lower() for name in str(meta.get("HTTP_CONNECTION", "")).split(",") if name
    }
    kept: list[tuple[str, str]] = []
    for key, value in meta.items():
        if key.startswith("HTTP_"):
            name = key[5:].replace("_", "-").lower()
        elif key == "CONTENT_TYPE" and value:
            name = "content-type"
        else:
            continue
        if name in _CONNECTION or name in nominated or speaks_of_one(name):
            continue
        kept.append((name, value))
    address = meta.get("REMOTE_ADDR", "")
    chain = meta.get("HTTP_X_FORWARDED_FOR")
    kept += [
        ("host", host),
        ("x-forwarded-for", f"{chain}, {address}" if chain else address),
        ("x-forwarded-host", host),
        ("x-forwarded-proto", "https" if secure else "http"),
    ]
    return kept


def incoming(headers: Headers) -> Iterator[tuple[str, str]]:
    """The headers of a service's answer that the client may see."""
    nominated = {
        name.strip().lower()
        for key, value in headers
        if key.lower() == "connection"
        for name in value.split(",")
    }
    for name, value in headers:
        lowered = name.lower()
        if lowered in _CONNECTION or lowered in _OURS or lowered in nominated:
            continue
        if not lowered.startswith("x-strangler-"):
            yield name, value


_CONNECTION = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer",
        "trailers", "transfer-encoding", "upgrade", "http2-settings", "expect", "host",
        "content-length", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
        "x-forwarded-port", "forwarded", "x-real-ip", "traceparent", "tracestate",
    }
)  # fmt: skip
_OURS = frozenset({"date", "server", "via", "content-length", "traceparent", "tracestate"})
