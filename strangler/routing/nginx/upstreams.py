"""Where requests go: the replicas of each service, and the monolith."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from strangler.manifest import Capability, Manifest
from strangler.routing.nginx.settings import KEEPING, RESOLVING, CannotCompile, Settings
from strangler.routing.nginx.writing import Text, block, file

MONOLITH = "strangler.monolith"
KEPT = "strangler.kept"
_PORTS = {"http": 80, "https": 443}
_KEPT = Text("""
    zone %{name} 128k;
    %{servers}
    # Never long enough to be closed by the service at the moment in which a query goes out.
    keepalive %{connections};
    keepalive_timeout 4s;
    keepalive_requests 100000;
""")
_OLDER = " From 1.29.7 on NGINX would keep those, too: compile for the version that you have."
_DOWN = "server 127.0.0.1:9 down; # nobody: with a single server NGINX would count no failures"
TRIES = 3
"""To how many replicas a command that nobody got is offered, failing or not, one after the other."""
_WINDOW = "2s"
"""NGINX counts failures within this time, where the manifest's breaker counts them in a row: with
the manifest's ``reset`` one failure in a thousand would keep a busy service shut."""


def upstreams(manifest: Manifest, settings: Settings) -> str:
    """The file ``upstreams.conf``.

    Raises:
        CannotCompile: the replicas of a service are reached in different ways.
    """
    resolver = f"resolver {settings.resolver} valid=5s ipv6=off;" if settings.resolver else ""
    home = _servers([manifest.edge.monolith], settings, "max_fails=0")
    newer = "" if settings.version >= KEEPING else _OLDER
    return file(
        "Where requests go. Queries of a service use kept connections, and leave out for a moment a "
        "replica that fails too often. Commands go out on a connection of their own: on a kept one, "
        f"which the service may close at that very moment, nobody would know whether one was done.{newer}",
        resolver,
        block(f"upstream {MONOLITH}", [f"zone {MONOLITH} 64k;", *home, *_once(settings)]),
        "# … and its queries. Sync workers keep no connections, and say so; others may.\n"
        + block(
            f"upstream {KEPT}",
            [f"zone {KEPT} 64k;", *home, "keepalive 32;", "keepalive_timeout 1s;"],
        ),
        *(
            "\n".join(_service(one, settings))
            for one in manifest.capabilities.values()
            if not _asked_by_name(one, settings)
        ),
    )


def scheme(urls: Sequence[str], name: str) -> str:
    """How a service is spoken to.

    Raises:
        CannotCompile: its replicas differ in that.
    """
    schemes = {urlsplit(url).scheme for url in urls}
    if len(schemes) != 1:
        raise CannotCompile(
            f"{name}.service: {', '.join(urls)}: reach all replicas by http, or all by https"
        )
    return schemes.pop()


def target(capability: Capability, settings: Settings, upstream: str) -> str:
    """The base URL by which a location reaches the service."""
    if _asked_by_name(capability, settings):
        return capability.service[0]
    return f"{scheme(capability.service, capability.name)}://$strangler_capability.{upstream}"


def alone(number: int) -> str:
    """What a service's replica by itself is called, after the service's own name."""
    return f"only{number}"


def _asked_by_name(capability: Capability, settings: Settings) -> bool:
    """Older versions resolve a name again only where it stands in no upstream."""
    return (
        settings.resolver is not None
        and settings.version < RESOLVING
        and len(capability.service) == 1
        and _is_name(capability.service[0])
    )


def _service(capability: Capability, settings: Settings) -> list[str]:
    urls, patience = capability.service, capability.resilience
    scheme(urls, capability.name)
    queries = _servers(
        urls, settings, f"max_fails={patience.breaker.failures} fail_timeout={_WINDOW}"
    )
    if len(queries) == 1:
        queries.append(_DOWN)
    kept = _KEPT.substitute(
        name=f"{capability.name}.queries",
        servers="\n".join(queries),
        connections=patience.concurrency,
    )
    ways = {"commands": _servers(urls, settings, "max_fails=1 fail_timeout=1s")}
    if len(urls) > 1:
        # Whoever chose among all of them might choose again the one that has just refused.
        each = [_servers([url], settings, "max_fails=0") for url in urls[:TRIES]]
        ways |= {alone(number): servers for number, servers in enumerate(each)}
    return [
        block(f"upstream {capability.name}.queries", kept.splitlines()),
        *(
            block(
                f"upstream {capability.name}.{way}",
                [f"zone {capability.name}.{way} 64k;", *of, *_once(settings)],
            )
            for way, of in ways.items()
        ),
    ]


def _once(settings: Settings) -> list[str]:
    """A connection for each request: older versions keep none unasked, and know no other way."""
    return ["keepalive 0;"] if settings.version >= KEEPING else []


def _servers(urls: Sequence[str], settings: Settings, options: str) -> list[str]:
    return [f"server {_address(url)} {options}{_resolve(url, settings)};" for url in urls]


def _resolve(url: str, settings: Settings) -> str:
    again = settings.resolver is not None and settings.version >= RESOLVING and _is_name(url)
    return " resolve" if again else ""


def _address(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port or _PORTS[parts.scheme]}"


def _is_name(url: str) -> bool:
    try:
        ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return True
    return False
