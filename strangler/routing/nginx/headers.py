"""The headers that the edge sets, passes on or clears: a closed list."""

from __future__ import annotations

from collections.abc import Iterable

from strangler.routing.nginx.settings import Settings

EDGE = "X-Strangler-Edge"
COHORT = "X-Strangler-Cohort"
TARGET = "X-Strangler-Target"
CONTEXT = "X-Strangler-Context"
DEADLINE = "X-Strangler-Deadline"
FORCE = "X-Strangler-Force"
ARM = "X-Strangler-Arm"
REASON = "X-Strangler-Reason"
EXECUTED = "X-Strangler-Executed"
OWNER = "X-Strangler-Owner"
EPOCH = "X-Strangler-Epoch"

INTERNAL = (
    CONTEXT, DEADLINE, "X-Strangler-Digest", FORCE, ARM, REASON, EXECUTED, "X-Strangler-Error",
    OWNER, EPOCH, "X-Strangler-Commanded", EDGE, COHORT, TARGET,
)  # fmt: skip
"""The same as ``strangler.ports.headers.INTERNAL``, which stands above this layer; a test compares."""

_FORWARDED = (
    ("Host", "$http_host"),
    ("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
    ("X-Forwarded-Host", "$http_host"),
    ("X-Forwarded-Proto", "$scheme"),
    ("X-Forwarded-Port", '""'),
    ("X-Real-IP", '""'),
    ("Forwarded", '""'),
    ("Script-Name", '""'),
)
_TRACE = (
    ("traceparent", "$strangler_traceparent"),
    ("tracestate", "$strangler_tracestate"),
)
HIDDEN_TRACE = ("proxy_hide_header traceparent;",)
"""Where the edge itself says which trace it is."""
_UPGRADED = (("Upgrade", "$strangler_upgrade"), ("Connection", "$strangler_connection"))
_PLAIN = (("Connection", '""'),)
_SPOKEN = (
    "Proxy-Authorization", "X-CSRFToken", "X-XSRF-Token", "X-Auth-Token", "X-Access-Token",
    "X-Session-Id", "X-Amzn-Oidc-Accesstoken",
)  # fmt: skip
"""Headers that speak of a credential by their name, of no use to a service."""


def to_monolith(ours: dict[str, str] | None = None, *, upgraded: bool = True) -> list[str]:
    """What the monolith is told: that the edge asks, and what it has decided, or else ``ours``."""
    decided = {
        EDGE: "$strangler_secret",
        COHORT: "$strangler_cohort",
        REASON: "$strangler_reason",
        FORCE: "$http_x_strangler_force",
    }
    protocol = _UPGRADED if upgraded else _PLAIN
    return [*_lines(_FORWARDED), *_lines(protocol), *_internal(ours or decided)]


def traced() -> list[str]:
    """The trace that the edge continues, or begins."""
    return _lines(_TRACE)


def to_service(settings: Settings) -> list[str]:
    """What a service is told; it is the monolith that is told so where there is no token."""
    ours = {
        CONTEXT: "$strangler_context",
        DEADLINE: "$strangler_deadline",
        EDGE: "$strangler_proof",
        COHORT: "$strangler_proved_cohort",
        REASON: "$strangler_proved_reason",
    }
    own = [
        (name, f"$strangler_own_{name.lower().replace('-', '_')}") for name in credentials(settings)
    ]
    return [*_lines(_FORWARDED), *_lines(_PLAIN), *_internal(ours), *_lines(own)]


def credentials(settings: Settings) -> tuple[str, ...]:
    """Every header that no service may see."""
    known = {one.lower() for one in settings.credentials}
    return (*settings.credentials, *(one for one in _SPOKEN if one.lower() not in known))


def hidden(*shown: str) -> list[str]:
    """The headers of an answer that are not for clients, but for these."""
    names = [name for name in INTERNAL if name not in shown]
    return [f"proxy_hide_header {name};" for name in (*names, "tracestate")]


def _internal(ours: dict[str, str]) -> list[str]:
    return _lines([(name, ours.get(name, '""')) for name in INTERNAL])


def _lines(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [f"proxy_set_header {name} {value};" for name, value in pairs]
