"""Who asks: the client's cohort, whether its queries are pinned, its trace, its credentials."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.ladder import COHORTS
from strangler.manifest import Manifest
from strangler.routing.nginx.headers import credentials
from strangler.routing.nginx.locations import pinned
from strangler.routing.nginx.settings import Settings
from strangler.routing.nginx.writing import Text, block, file, plain

YEAR = 365 * 24 * 3600
DAY = 24 * 3600

_COOKIE = plain(r"""
    # What the client's cookie says: the last of that name, and only a number from 0 to 999.
    map $http_cookie $strangler_kept {
        default "";
        "~^(?>(?:.*;)?[ ]*strangler_cohort[ ]*=[ ]*)(?<strangler_number>0|[1-9][0-9]?[0-9]?)[ ]*(?:;|$)" $strangler_number;
        "~^(?>(?:.*;)?[ ]*strangler_cohort[ ]*=[ ]*)\"(?<strangler_inner>0|[1-9][0-9]?[0-9]?)\"[ ]*(?:;|$)" $strangler_inner;
    }
""")
_SHARED = Text(r"""
    # What a client is told that was pinned for want of any cookie of ours: does it keep one at all?
    map "$strangler_stranger:$strangler_cookie" $strangler_mark_pinned {
        default "";
        "yes:" "strangler_pin=-; Max-Age=%{day}; Path=/; HttpOnly; SameSite=Lax$strangler_secure";
    }
    # What a service has commanded while it answered: its own, if its rows flow, and others by ports.
    # The client is pinned. Of where the rows are by now the monolith asks, when it has to.
    map $upstream_http_x_strangler_commanded $strangler_pin {
        default $strangler_pin_told;
        "" "";
    }
    map "$strangler_arm$strangler_rows:$strangler_capability:$upstream_http_x_strangler_commanded" $strangler_noted {
        volatile;
        default "";
        "~^service:(?<strangler_n0>[a-z0-9_]+):\k<strangler_n0>$" "";
        "~^service\+?:[a-z0-9_]+:(?<strangler_n1>[a-z0-9_]+)$" "$strangler_n1:*";
        "~^service\+?:[a-z0-9_]+:(?<strangler_n2>[a-z0-9_]+),(?<strangler_n3>[a-z0-9_]+)$" "$strangler_n2:*|$strangler_n3:*";
        "~^service\+?:[a-z0-9_]+:(?<strangler_n4>[a-z0-9_]+),(?<strangler_n5>[a-z0-9_]+),(?<strangler_n6>[a-z0-9_]+)" "$strangler_n4:*|$strangler_n5:*|$strangler_n6:*";
    }
    map $http_cookie $strangler_pins {
        default "";
        "~(?:^|;)[ ]*strangler_pin=(?<strangler_old>[a-z][a-z0-9_:|*-]{0,400})(?:;|$)" $strangler_old;
    }
    map "$strangler_noted $strangler_pins" $strangler_all_pins {
        volatile;
        default "$strangler_pins|$strangler_noted";
        "~ $" $strangler_noted;
        "~^(?<strangler_n7>[^ ]+) (?:[^ ]*\|)?\k<strangler_n7>(?:\||$)" $strangler_pins;
    }
    map $strangler_noted $strangler_pin_told {
        volatile;
        default "strangler_pin=$strangler_all_pins; Max-Age=%{day}; Path=/; HttpOnly; SameSite=Lax$strangler_secure";
        "" "";
    }
    map $scheme $strangler_secure {
        default "";
        https "; Secure";
    }
    # A stranger brings no cookie of ours, and could not say what it has commanded.
    map $http_cookie $strangler_stranger {
        default yes;
        "~strangler_(?:cohort|pin)" "";
    }
""")
_TRACE = plain(r"""
    # W3C trace context: the client's trace goes on; where it has none, or no valid one, one begins.
    # What goes to the monolith first goes there as it came, and the answer says which trace it is:
    # the edge begins one itself only where it asks others, or answers itself. Bytes that are random
    # would cost it more than all the rest.
    map $http_traceparent $strangler_parent {
        default "";
        "~^00-(?!0{32})(?<strangler_t0>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$" $strangler_t0;
        "~^(?!00|ff)[0-9a-f]{2}-(?!0{32})(?<strangler_t1>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$" $strangler_t1;
    }
    map $upstream_http_traceparent $strangler_begun {
        volatile;
        default "";
        "" $strangler_traceparent;
    }
    map $sent_http_traceparent $strangler_logged_trace {
        volatile;
        default $strangler_trace;
        "~^[0-9a-f]{2}-(?<strangler_t2>[0-9a-f]{32})-" $strangler_t2;
    }
    map $strangler_parent $strangler_trace {
        default $strangler_parent;
        "" $request_id;
    }
    map $strangler_parent $strangler_traceparent {
        default "00-$strangler_parent-$strangler_span-$strangler_sampled";
        "" "00-$request_id-$strangler_span-01";
    }
    map $http_traceparent $strangler_sampled {
        default 01;
        "~^.{54}[02468ace](?:-|$)" 00;
    }
    map $request_id $strangler_span {
        default "";
        "~^.{16}(?<strangler_half>.{16})$" $strangler_half;
    }
    map $http_tracestate $strangler_tracestate {
        default "";
        "~^[ -~]{1,512}$" $strangler_state;
    }
    map $strangler_parent $strangler_state {
        default $http_tracestate;
        "" "";
    }
""")


def clients(manifest: Manifest, settings: Settings) -> str:
    """The file ``clients.conf``."""
    return file(
        "Who asks: the client's cohort, whether its queries are pinned to the owner, its trace, and "
        "its credentials. All of it is worked out only for requests that ask for it.",
        *_cohort(manifest.edge.sticky),
        _SHARED.substitute(day=DAY),
        *_pins(manifest),
        _TRACE,
        *_credentials(settings),
    )


def cohorts(manifest: Manifest) -> str:
    """The file ``cohorts.conf``."""
    keys = [_variable(key) for key in manifest.edge.sticky if key != "cookie"]
    drawn = _split("$request_id", "$strangler_drawn", "One that is drawn.")
    said = "One by a header or the address: MurmurHash2, as every other reader has it."
    hashed = [_split("$strangler_key", "$strangler_hashed", said)] if keys else []
    return file("The thousand cohorts.", drawn, *hashed, *_first("$strangler_key", keys))


def _cohort(sticky: tuple[str, ...]) -> Iterator[str]:
    """As ``strangler.django.edge.identity.Sticky`` has it."""
    if "cookie" in sticky:
        yield _COOKIE
    said = f"# A client's cohort comes from the first of these that is there: {', '.join(sticky)}."
    yield "\n".join([said, *_decided(sticky)])
    yield "\n".join(["# What is told to a client that is to keep its cohort.", *_cookie(sticky)])


def _decided(sticky: tuple[str, ...]) -> Iterator[str]:
    last = "$strangler_drawn"
    for number, key in reversed(list(enumerate(sticky))):
        name = f"$strangler_cohort_{number}" if number else "$strangler_cohort"
        found = (
            ("$strangler_kept",) * 2 if key == "cookie" else (_variable(key), "$strangler_hashed")
        )
        yield block(f"map {found[0]} {name}", [f"default {found[1]};", f'"" {last};'])
        last = name


def _cookie(sticky: tuple[str, ...]) -> Iterator[str]:
    """Nothing, where a key before the cookie was there."""
    if "cookie" not in sticky:
        yield block('map "" $strangler_cookie', ['default "";'])
        return
    before = sticky[: sticky.index("cookie")]
    last = "$strangler_cookie_0" if before else "$strangler_cookie"
    said = f"strangler_cohort=$strangler_drawn; Max-Age={YEAR}; Path=/; HttpOnly; SameSite=Lax"
    yield block(f"map $strangler_kept {last}", ['default "";', f'"" "{said}$strangler_secure";'])
    for number, key in reversed(list(enumerate(before, 1))):
        name = f"$strangler_cookie_{number}" if number > 1 else "$strangler_cookie"
        yield block(f"map {_variable(key)} {name}", ['default "";', f'"" {last};'])
        last = name


def _variable(key: str) -> str:
    if key == "address":
        return "$remote_addr"
    return f"$http_{key.removeprefix('header:').lower().replace('-', '_')}"


def _first(name: str, keys: list[str]) -> Iterator[str]:
    """``name`` is the first of these that is not empty."""
    following = '""'
    for number, key in reversed(list(enumerate(keys))):
        of = f"{name}_{number}" if number else name
        yield block(f"map {key} {of}", [f'"" {following};', f"default {key};"])
        following = of


def _split(key: str, name: str, said: str) -> str:
    buckets = [f"0.1% {cohort};" for cohort in range(COHORTS - 1)] + [f"* {COHORTS - 1};"]
    rows = [" ".join(buckets[start : start + 10]) for start in range(0, COHORTS, 10)]
    return f"# {said}\n" + block(f'split_clients "{key}" {name}', rows)


def _pins(manifest: Manifest) -> Iterator[str]:
    """Whoever has commanded a capability whose rows flow is answered by their owner."""
    for capability in manifest.capabilities.values():
        if capability.transfer is not None:
            yield block(
                f"map $http_cookie {pinned(capability)}",
                [
                    "default pinned; # a stranger",
                    f'"~strangler_pin=[^;]*(?<![a-z0-9_-]){capability.name}:" pinned;',
                    '"~strangler_(?:cohort|pin)" "";',
                ],
            )


def _credentials(settings: Settings) -> Iterator[str]:
    """What is passed on where the monolith answers after all, and never to a service."""
    yield (
        "# The client's credentials: nothing where the service is asked, which gets our own token;\n"
        "# as they came where there is none, because the monolith answers for itself then."
    )
    for header in credentials(settings):
        name = header.lower().replace("-", "_")
        yield block(
            f"map $strangler_arm $strangler_own_{name}",
            ["volatile;", 'default "";', f'"" $http_{name};'],
        )
