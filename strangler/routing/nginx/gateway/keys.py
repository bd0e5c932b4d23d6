"""API keys: whose capability wants one is answered only with one that is known.

A key is ``NAME.ID.SECRET``. ``clients.map`` beside the compiled files, which is made on each host,
has the digest of each: NGINX makes that of the key that it was shown, and compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from strangler.manifest import Capability, Manifest
from strangler.routing.nginx.writing import block, plain, said, variable

FILE = "clients.map"

_KNOWN = plain(r"""
    # Which key it says it is, and the digest that this one has, if it opens this capability.
    map $strangler_api_key $strangler_api_id {
        volatile;
        default "";
        "~^(?<strangler_api_0>[a-z0-9-]{1,40}\.[0-9a-f]{8})\.[A-Za-z0-9_-]{43}$" $strangler_api_0;
    }
    map $strangler_api_id $strangler_api_client {
        volatile;
        default "";
        "~^(?<strangler_api_1>[a-z0-9-]+)\." $strangler_api_1;
    }
    map "$strangler_capability $strangler_api_id" $strangler_api_digest {
        volatile;
        default "";
        include clients[.]map;
    }
    map "" $strangler_challenge { default ""; }
""")


class Known(Protocol):
    """What is known of a key: no secret."""

    @property
    def known(self) -> str:
        """``NAME.ID``."""

    @property
    def digest(self) -> str:
        """Of the whole of it."""

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Those that it opens; none for all of them."""


def wanted(manifest: Manifest) -> tuple[Capability, ...]:
    """The capabilities that want a key."""
    return tuple(one for one in manifest.capabilities.values() if one.gateway.key)


def headers(manifest: Manifest) -> frozenset[str]:
    """The headers in which keys come: no service sees them."""
    return frozenset(one.gateway.key for one in wanted(manifest) if one.gateway.key)


def clients(manifest: Manifest, keys: Iterable[Known]) -> str:
    """The file ``clients.map``: every key that opens a capability which wants one."""
    lines = [
        f'"{capability.name} {key.known}" "{key.digest}";\n'
        for key in keys
        for capability in wanted(manifest)
        if capability.name in key.capabilities or not key.capabilities
    ]
    return "".join(lines)


def inside_http(manifest: Manifest) -> Iterator[str]:
    """The key that was shown, and whether it is a known one."""
    if not (asking := wanted(manifest)):
        return
    shown = [f"{one.name} ${variable(one.gateway.key or '')};" for one in asking]
    said = "# API keys: the header in which each capability wants one.\n"
    yield said + block(
        "map $strangler_capability $strangler_api_key", ["volatile;", 'default "";', *shown]
    )
    yield _KNOWN
    # A browser that asks whether it may shows no key.
    crossed = any(one.gateway.origins for one in manifest.capabilities.values())
    passes = '"$strangler_preflight$secure_link"' if crossed else "$secure_link"
    yield block(f"map {passes} $strangler_locked", ["volatile;", 'default "";', '"" locked;'])


def inside_server(manifest: Manifest) -> Iterator[str]:
    """How NGINX compares."""
    if wanted(manifest):
        yield "secure_link $strangler_api_digest;"
        yield "secure_link_md5 $strangler_api_key;"


def told(manifest: Manifest) -> Iterator[str]:
    """What a client is told who has none."""
    if wanted(manifest):
        yield "add_header WWW-Authenticate $strangler_challenge always;"


def inside_route(capability: Capability) -> Iterator[str]:
    """Whoever has none gets no further."""
    header = capability.gateway.key
    if header is None:
        return
    challenge = f'ApiKey realm="{capability.name}", header="{header}"'
    message = f"This needs a key that is known here: send it as {header}."
    yield block(
        "if ($strangler_locked)",
        [
            "set $strangler_executed no;",
            "set $strangler_own_trace $strangler_traceparent;",
            f"set $strangler_challenge '{challenge}';",
            said(401, "KeyRequired", message),
        ],
    )


def logged(manifest: Manifest) -> str:
    """What the access log says of it."""
    return '"client":"$strangler_api_client",' if wanted(manifest) else ""
