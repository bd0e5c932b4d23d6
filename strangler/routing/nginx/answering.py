"""How a request is answered: by the arm that the table says, by the other one, or by an apology."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.manifest import Capability, Manifest
from strangler.routing.nginx import headers
from strangler.routing.nginx.settings import Settings
from strangler.routing.nginx.upstreams import MONOLITH, target
from strangler.routing.nginx.writing import Text, plain, block, file

BODY = 1024 * 1024
"""Bytes that a request of a capability may have: as much as a service takes."""
_TRIES = 3
"""How often a command that nobody got is offered to the next replica, failing or not."""
DOOR = 8
"""Seconds that a command may wait for a door: longer than a freeze may last."""

_CHECK = Text("""
    default_type application/json;
    client_max_body_size %{body};
    if ($strangler_odd) {
        set $strangler_executed no;
        return 400 '{"error": "OddPath", "message": "this path can be read in several ways", "detail": {}}';
    }
    if ($strangler_kind = "") {
        set $strangler_executed no;
        return 501 '{"error": "NotImplemented", "message": "This method is not allowed.", "detail": {}}';
    }
""")
_DECIDE = Text("""
    # Inside or outside the service's share: is there a file that bears the cohort's number? A query
    # of somebody who is pinned goes where commands go.
    set $strangler_reason outside;
    if (-f %{table}/current/$strangler_capability.commands/$strangler_cohort) {
        set $strangler_pinned "";
    }
    if (-f %{table}/current/$strangler_capability.$strangler_kind/$strangler_cohort) {
        set $strangler_reason inside$strangler_pinned;
    }
    if ($strangler_reason = insidepinned) {
        set $strangler_reason pinned;
    }
    if (!-f %{table}/current/revision) {
        set $strangler_reason owner; # no table: the monolith answers, and carries commands on
    }
    if ($http_x_strangler_force) {
        set $strangler_reason forced; # the monolith checks the tester's signature, and asks the arm
    }

    # 599 stands for: the service answers this one.
    error_page 599 = @$strangler_capability.$strangler_kind;
    if ($strangler_reason = inside) {
        return 599;
    }

    # The monolith answers. A command may find that it does not own the rows any more, and that it
    # could not carry it on either: it is asked once more.
    error_page 421 = @strangler_carried;
    error_page 502 504 = @strangler_away;
    proxy_intercept_errors on;
    include monolith.conf;
""")
_RETIRED = plain("""
    # The service has it for good, with or without a table.
    set $strangler_reason inside;
    error_page 599 = @$strangler_capability.$strangler_kind;
    return 599;
""")
_MONOLITH = Text("""
    set $strangler_arm monolith;
    proxy_pass %{monolith};
    proxy_http_version 1.1;
    proxy_connect_timeout 1s;
    proxy_read_timeout %{patience}s;
    proxy_send_timeout %{patience}s;
    proxy_next_upstream off;
    %{headers}
    %{hidden}
""")
_ASK = Text("""
    default_type application/json;
    set $strangler_arm service;
    # First a token from the monolith, which says for whom we ask. It gives none where it will answer
    # for itself: to credentials that do not hold, and to what another site has made a browser send.
    auth_request /_strangler/edge/token;
    auth_request_set $strangler_context $upstream_http_x_strangler_context;
    proxy_pass $strangler_asked;
    proxy_http_version 1.1;
    proxy_connect_timeout 1s;
    proxy_intercept_errors on;
    proxy_ssl_server_name on;
    %{headers}
    %{hidden}
""")
_TOKEN = Text("""
    # Who is it, and may it? The monolith says so with a token for one service, one method, and one
    # delivery of a command. For queries its word holds for some seconds, for the whole of a client's
    # credentials together.
    location = /_strangler/edge/token {
        internal;
        proxy_pass %{monolith}/_strangler/edge/$strangler_capability/$strangler_kind;
        proxy_method $request_method;
        proxy_pass_request_body off;
        proxy_http_version 1.1;
        proxy_connect_timeout 1s;
        proxy_read_timeout 5s;
        proxy_cache strangler_tokens;
        proxy_cache_key "$strangler_capability $request_method $strangler_cohort $scheme $http_host%{key}";
        proxy_cache_valid 204 5s;
        proxy_cache_bypass $strangler_unsafe;
        proxy_no_cache $strangler_unsafe;
        proxy_cache_lock on;
        proxy_cache_lock_timeout 1s;
        proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;
        proxy_set_header Content-Length "";
        proxy_set_header Content-Type "";
        proxy_set_header Transfer-Encoding "";
    %{headers}
        proxy_intercept_errors on;
        error_page 400 401 403 404 405 421 429 500 502 503 504 = @strangler_unproved;
    }
    # No token: the monolith is asked itself, and says what is wrong, or is away.
    location @strangler_unproved {
        return 204;
    }
""")
_FAILING = plain("""
    # The service has not answered a query, or never got a command that either arm may take. The
    # monolith knows whether it may answer in its place.
    location @strangler_fallback {
        default_type application/json;
        set $strangler_reason fallback;
        error_page 421 = @strangler_shut;
        error_page 502 504 = @strangler_away;
        proxy_intercept_errors on;
        include monolith.conf;
    }

    # 421: whoever was asked does not own the rows, and has done nothing. Once, and to the monolith,
    # which knows the owner.
    location @strangler_carried {
        default_type application/json;
        set $strangler_reason carried;
        error_page 421 = @strangler_shut;
        error_page 502 504 = @strangler_away;
        proxy_intercept_errors on;
        include monolith.conf;
    }

    # A command failed. 598 stands for: not a byte of it was sent, so nothing has happened.
    location @strangler_broken {
        default_type application/json;
        error_page 598 = $strangler_else;
        if ($strangler_unsent) {
            return 598;
        }
        set $strangler_arm "";
        set $strangler_retry 1;
        return 502 '{"error": "OutcomeUnknown", "message": "$strangler_capability has broken off: it may have done what was asked, or not", "detail": {}}';
    }
    location @strangler_late {
        default_type application/json;
        error_page 598 = $strangler_else;
        if ($strangler_unsent) {
            return 598;
        }
        set $strangler_arm "";
        set $strangler_retry 1;
        return 504 '{"error": "OutcomeUnknown", "message": "$strangler_capability has not answered in time: it may have done what was asked, or not", "detail": {}}';
    }
    location @strangler_busy {
        default_type application/json;
        error_page 598 = $strangler_else;
        if ($upstream_http_x_strangler_executed = no) {
            return 598;
        }
        set $strangler_arm "";
        set $strangler_retry 1;
        return 503 '{"error": "Unavailable", "message": "$strangler_capability is not available: try again", "detail": {}}';
    }
    location @strangler_unavailable {
        default_type application/json;
        set $strangler_arm "";
        set $strangler_executed no;
        set $strangler_retry 1;
        return 503 '{"error": "Unavailable", "message": "$strangler_capability can not be reached: try again", "detail": {}}';
    }
    location @strangler_shut {
        default_type application/json;
        set $strangler_arm "";
        set $strangler_executed no;
        set $strangler_retry 1;
        return 503 '{"error": "DoorShut", "message": "It changes owner at this moment. Nothing has been done; try again shortly.", "detail": {}}';
    }

    # The monolith itself.
    location @strangler_away {
        default_type application/json;
        error_page 598 = @strangler_unavailable;
        if ($strangler_unsent) {
            return 598;
        }
        set $strangler_arm "";
        set $strangler_retry 1;
        return 502 '{"error": "OutcomeUnknown", "message": "The monolith has not answered: it may have done what was asked, or not", "detail": {}}';
    }
""")


def decide(settings: Settings) -> str:
    """The file ``decide.conf``."""
    about = "Which arm answers? Each location of routes.conf goes on here. `decide` in the kit, told to NGINX."
    return file(about, _CHECK.substitute(body=BODY), _DECIDE.substitute(table=settings.table))


def retired() -> str:
    """The file ``retired.conf``."""
    about = "The paths of a capability that is retired go on here: nothing is decided any more."
    return file(about, _CHECK.substitute(body=BODY), _RETIRED)


def monolith(manifest: Manifest, settings: Settings) -> str:
    """The file ``monolith.conf``."""
    text = _MONOLITH.substitute(
        monolith=home(manifest),
        patience=settings.patience,
        headers="\n".join(headers.to_monolith()),
        hidden="\n".join(headers.hidden(headers.ARM, headers.REASON, headers.EXECUTED)),
    )
    return file("The monolith is asked: in the client's name, and with the edge's own proof.", text)


def ask(settings: Settings) -> str:
    """The file ``ask.conf``."""
    text = _ASK.substitute(
        headers="\n".join(headers.to_service(settings)), hidden="\n".join(headers.hidden())
    )
    return file("A service is asked: without the client's credentials, and with a token.", text)


def services(manifest: Manifest, settings: Settings) -> str:
    """The file ``services.conf``."""
    return file(
        "Each service is asked for queries and for commands, and what comes next if it fails: a "
        "query goes to another replica, then to the monolith; a command is sent once.",
        *("\n".join(_service(one, settings)) for one in manifest.capabilities.values()),
    )


def failing(manifest: Manifest, settings: Settings) -> str:
    """The file ``failing.conf``."""
    ours = {
        headers.EDGE: "$strangler_secret",
        headers.COHORT: "$strangler_cohort",
        headers.TARGET: "$request_uri",
    }
    token = _TOKEN.substitute(
        monolith=home(manifest),
        key="".join(f" ${_variable(name)}" for name in _known_by(manifest, settings)),
        headers="\n".join(f"    {line}" for line in headers.to_monolith(ours)),
    )
    return file(
        "The token that a service wants, and every way in which it can go wrong.", token, _FAILING
    )


def home(manifest: Manifest) -> str:
    """The monolith's base URL, as a location asks it."""
    return f"{manifest.edge.monolith.partition('://')[0]}://{MONOLITH}"


def _known_by(manifest: Manifest, settings: Settings) -> tuple[str, ...]:
    sticky = (key.removeprefix("header:") for key in manifest.edge.sticky if ":" in key)
    return (*settings.credentials, *sticky)


def _variable(header: str) -> str:
    return f"http_{header.lower().replace('-', '_')}"


def _service(capability: Capability, settings: Settings) -> Iterator[str]:
    name, patience = capability.name, capability.resilience
    gone = name in settings.retired
    final = "@strangler_unavailable"
    if capability.transfer is None and not gone:
        final = "@strangler_fallback"  # without tables either arm may take commands
    seconds = f"{patience.timeout:g}"
    yield block(
        f"location @{name}.queries",
        [
            f"set $strangler_service {target(capability, settings, 'queries')};",
            f"set $strangler_deadline {seconds};",
            "set $strangler_else @strangler_unavailable;",
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
    if (replicas := len(capability.service)) > 1:
        ways += [(f"again{number}", "anyhow") for number in range(min(replicas, _TRIES))]
    following = [*(f"@{name}.{way}" for way, _ in ways[1:]), final]
    for (way, upstream), after in zip(ways, following, strict=True):
        yield block(
            f"location @{name}.{way}",
            [
                f"set $strangler_service {target(capability, settings, upstream)};",
                f"set $strangler_deadline {longest:g};",
                f"set $strangler_else {after};",
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
