"""How a request is answered: by the arm that the table says."""

from __future__ import annotations

from strangler.manifest import Manifest
from strangler.routing.nginx import gateway, headers
from strangler.routing.nginx.gateway import sizes
from strangler.routing.nginx.settings import Settings
from strangler.routing.nginx.upstreams import KEPT, MONOLITH
from strangler.routing.nginx.writing import Text, file, plain

_CHECK = Text("""
    default_type application/json;
    open_file_cache off; # a flip is seen at once
    # 593 and 594 stand for: its path can be read in several ways; no capability knows its method.
    error_page 593 = @strangler_odd;
    error_page 594 = @strangler_unknown;
    if ($strangler_odd) {
        return 593;
    }
    %{gateway}
    if ($strangler_kind = "") {
        return 594;
    }
    %{refusing}
""")
_DECIDE = Text("""
    # Inside or outside the service's share: is there a file that bears the cohort's number? 599
    # stands for: the service answers this one.
    set $strangler_reason $strangler_outside;
    if (-f %{table}/current/$strangler_capability.$strangler_kind/$strangler_cohort) {
        set $strangler_reason inside$strangler_pinned$http_x_strangler_force;
    }
    error_page 599 = @$strangler_like.$strangler_kind;
    if ($strangler_reason = inside) {
        return 599;
    }

    # The monolith does. Why?
    if ($strangler_reason != $strangler_outside) {
        set $strangler_reason pinned;
        set $strangler_mark $strangler_mark_pinned;
    }
    if ($http_x_strangler_force) {
        set $strangler_reason forced; # the monolith checks the tester's signature, and asks the arm
        set $strangler_mark "";
    }

    # What the client is told here; arm, reason and trace the monolith says itself.
    include told.conf;
    %{answered}
    add_header Set-Cookie $strangler_cookie always;
    add_header Set-Cookie $strangler_mark always;

    # 597 stands for: it is a command, which may have to wait at a door.
    error_page 597 = @strangler_command%{size};
    if ($strangler_kind = commands) {
        return 597;
    }
    error_page 502 504 = @strangler_away;
    proxy_pass %{kept};
    # There is one server: only a kept connection that is found closed is tried again.
    proxy_next_upstream error non_idempotent;
    include monolith.conf;
""")
_PINNED = Text("""
    set $strangler_rows +; # who commands it is pinned
    set $strangler_there "";
    if ($strangler_pinned) {
        set $strangler_there %{table}/current/$strangler_capability.commands/$strangler_cohort;
    }
    if (-f $strangler_there) {
        set $strangler_pinned "";
    }
""")
_RETIRED = plain("""
    # The service has it for good, with or without a table.
    set $strangler_reason inside;
    error_page 599 = @$strangler_like.$strangler_kind;
    return 599;
""")
_MONOLITH = Text("""
    proxy_http_version 1.1;
    proxy_connect_timeout 1s;
    proxy_read_timeout %{patience}s;
    proxy_send_timeout %{patience}s;
    %{headers}
    %{hidden}
""")
_ASK = Text("""
    default_type application/json;
    %{refusing}
    # First a token from the monolith, which says for whom we ask. It gives none where it will
    # answer for itself: to credentials that do not hold, and to forged requests.
    auth_request /_strangler/edge/token;
    auth_request_set $strangler_context $upstream_http_x_strangler_context;
    auth_request_set $strangler_arm $strangler_entitled;
    proxy_pass $strangler_asked;
    proxy_http_version 1.1;
    proxy_connect_timeout 1s;
    proxy_intercept_errors on;
    proxy_ssl_server_name on;
    %{headers}
    include traced.conf;
    %{hidden}
    include told.conf;
    add_header X-Strangler-Arm $strangler_arm always;
    add_header X-Strangler-Reason $strangler_shown_reason always;
    add_header traceparent $strangler_traceparent always;
    add_header Set-Cookie $strangler_cookie always;
    add_header Set-Cookie $strangler_pin always;
""")


def decide(manifest: Manifest, settings: Settings) -> str:
    """The file ``decide.conf``."""
    about = (
        "Which arm answers? Each location of routes.conf goes on here: `decide` of the kit, as NGINX "
        "does it."
    )
    size = "$strangler_size" if sizes.sizes(manifest) else ""
    answered = gateway.answered(manifest)
    text = _DECIDE.filled(table=settings.table, kept=kept(manifest), size=size, answered=answered)
    return file(about, _check(manifest), text)


def pinned(settings: Settings) -> str:
    """The file ``pinned.conf``."""
    about = (
        "Before decide.conf, where a capability has tables: a query of somebody who is pinned goes "
        "where commands go. Only then the table is asked for them."
    )
    return file(about, _PINNED.filled(table=settings.table))


def _check(manifest: Manifest) -> str:
    return _CHECK.filled(
        gateway=gateway.checks(manifest),
        refusing=gateway.refusing(manifest),
    )


def retired(manifest: Manifest) -> str:
    """The file ``retired.conf``."""
    about = "The paths of a capability that is retired go on here: nothing is decided any more."
    return file(about, _check(manifest), _RETIRED)


def monolith(settings: Settings) -> str:
    """The file ``monolith.conf``: of a client's trace it says nothing, so that passes as it came."""
    text = _MONOLITH.filled(
        patience=settings.patience,
        headers="\n".join(headers.to_monolith()),
        hidden="\n".join(headers.hidden(headers.ARM, headers.REASON, headers.EXECUTED)),
    )
    return file("The monolith is asked: in the client's name, and with the edge's own proof.", text)


def traced() -> str:
    """The file ``traced.conf``."""
    about = "The trace, where it has begun: for a service, and for whoever is asked after another."
    return file(about, "\n".join(headers.traced()))


def told(manifest: Manifest) -> str:
    """The file ``told.conf``."""
    return file("What every answer says, wherever it comes from.", gateway.told(manifest))


def ask(manifest: Manifest, settings: Settings) -> str:
    """The file ``ask.conf``."""
    text = _ASK.filled(
        refusing=gateway.refusing(manifest),
        headers="\n".join(headers.to_service(settings)),
        hidden="\n".join([*headers.hidden(), *headers.HIDDEN_TRACE]),
    )
    return file("A service is asked: without the client's credentials, and with a token.", text)


def kept(manifest: Manifest) -> str:
    """The monolith's base URL for queries."""
    return f"{manifest.edge.monolith.partition('://')[0]}://{KEPT}"


def home(manifest: Manifest) -> str:
    """The monolith's base URL for what may not be sent twice."""
    return f"{manifest.edge.monolith.partition('://')[0]}://{MONOLITH}"
