"""How each service is asked, and what comes next if it fails."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from strangler.manifest import Capability, Manifest
from strangler.routing.nginx import gateway
from strangler.routing.nginx.settings import Settings
from strangler.routing.nginx.upstreams import TRIES, alone, target
from strangler.routing.nginx.writing import block, file

DOOR = 8
"""Seconds that a command may wait for a door: longer than a freeze may last."""


def services(manifest: Manifest, settings: Settings) -> str:
    """The file ``services.conf``."""
    groups: dict[str, list[str]] = {}
    for name, like in alike(manifest, settings).items():
        groups.setdefault(like, []).append(name)
    return file(
        "Each service is asked for queries and for commands, and what comes next if it fails: a "
        "query goes to another replica, then to the monolith; a command is sent once. Services "
        "that are asked alike share these locations, which bear the name of the first: NGINX looks "
        "for them in a list.",
        *(
            "\n".join(
                [
                    f"# {textwrap.shorten(', '.join(names), 96, placeholder=' …')}",
                    *_service(manifest.capabilities[first], first, manifest, settings),
                ]
            )
            for first, names in groups.items()
        ),
    )


def alike(manifest: Manifest, settings: Settings) -> Mapping[str, str]:
    """Of each capability, the first one whose service is asked as its own is."""
    first: dict[str, str] = {}
    return {
        name: first.setdefault("\n".join(_service(one, "", manifest, settings)), name)
        for name, one in manifest.capabilities.items()
    }


def _service(
    capability: Capability, name: str, manifest: Manifest, settings: Settings
) -> Iterator[str]:
    patience = capability.resilience
    gone = capability.name in settings.retired
    final = "@strangler_unavailable"
    if capability.transfer is None and not gone:
        final = "@strangler_fallback"  # without tables either arm may take commands
    replicas = len(capability.service)
    # Of what is retired nobody else answers: each replica is asked, also one that is left alone.
    last = f"@{name}.again0" if gone and replicas > 1 else "@strangler_unavailable"
    seconds = f"{patience.timeout:g}"
    yield block(
        f"location @{name}.queries",
        [
            f"set $strangler_service {target(capability, settings, 'queries')};",
            f"set $strangler_deadline {seconds};",
            f"set $strangler_else {last};",
            *gateway.querying(capability, manifest),
            f"proxy_read_timeout {_milliseconds(patience.timeout)};",
            f"proxy_send_timeout {_milliseconds(patience.timeout)};",
            "proxy_next_upstream error timeout http_502 http_503 http_504 non_idempotent;",
            f"proxy_next_upstream_tries {patience.attempts};",
            f"proxy_next_upstream_timeout {_milliseconds(patience.timeout)};",
            *(_APOLOGIES if gone else ["error_page 502 503 504 = @strangler_fallback;"]),
            "include ask.conf;",
        ],
    )
    # Who commands what has tables may have to wait at a door while it changes owner.
    longest = patience.timeout if capability.transfer is None else patience.timeout + DOOR
    ways = [("commands", "commands")]
    if replicas > 1:
        ways += [(f"again{number}", alone(number)) for number in range(min(replicas, TRIES))]
    # Where it has tables, whoever has no room for a command may be about to change owner.
    later = "@strangler_shut0" if capability.transfer and not gone else final
    following = [*(f"@{name}.{way}" for way, _ in ways[1:]), final]
    for (way, upstream), after in zip(ways, following, strict=True):
        yield block(
            f"location @{name}.{way}",
            [
                f"set $strangler_service {target(capability, settings, upstream)};",
                f"set $strangler_deadline {longest:g};",
                f"set $strangler_else {after};",
                f"set $strangler_later {later};",
                *gateway.commanding(capability),
                f"proxy_read_timeout {_milliseconds(longest)};",
                f"proxy_send_timeout {_milliseconds(longest)};",
                "proxy_next_upstream off;",
                "error_page 421 = @strangler_carried;",
                *_APOLOGIES,
                "include ask.conf;",
            ],
        )


_APOLOGIES = (
    "error_page 502 = @strangler_broken;",
    "error_page 503 = @strangler_busy;",
    "error_page 504 = @strangler_late;",
)


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"
