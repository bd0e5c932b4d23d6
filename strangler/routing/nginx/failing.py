"""The token that a service wants, and what a client is told when nobody has answered."""

from __future__ import annotations

from strangler.manifest import BODY, Manifest
from strangler.routing.nginx import gateway, headers
from strangler.routing.nginx.answering import home
from strangler.routing.nginx.gateway import sizes
from strangler.routing.nginx.settings import Settings
from strangler.routing.nginx.writing import Text, file, said, variable

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
        proxy_cache_key "$strangler_moment $strangler_capability $request_method $strangler_cohort $scheme $http_host%{key}";
        proxy_cache_valid 204 5s;
        proxy_cache_bypass $strangler_unsafe;
        proxy_no_cache $strangler_unsafe;
        open_file_cache max=256 inactive=10s; # of tokens, not of the table
        open_file_cache_valid 10s;
        proxy_cache_lock on;
        proxy_cache_lock_timeout 1s;
        proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;
        proxy_set_header Content-Length "";
        proxy_set_header Content-Type "";
        proxy_set_header Transfer-Encoding "";
    %{headers}
        include traced.conf;
        proxy_intercept_errors on;
        error_page 400 401 403 404 405 421 429 500 502 503 504 = @strangler_unproved;
    }
    # No token: the monolith is asked itself, and says what is wrong, or is away.
    location @strangler_unproved {
        default_type application/json;
        if ($strangler_capability = "") {
            # Somebody outside wants one.
            %{nothing}
        }
        return 204;
    }
""")
WAITS = (100, 500, 2000)
"""Milliseconds before a command that no door had room for is sent again."""
_COMMAND = Text("""
    location @strangler_command%{suffix} {
        default_type application/json;
        client_max_body_size %{size};
        %{refusing}
        error_page 421 = @strangler_carried;
        error_page 502 504 = @strangler_away;
        error_page 503 = @strangler_shut0;
        proxy_intercept_errors on;
        proxy_pass %{monolith};
        proxy_next_upstream off;
        include monolith.conf;
    }
""")
_WAIT = Text("""
    location @strangler_shut%{number} {
        default_type application/json;
        error_page 598 = @strangler_busy;
        if ($upstream_http_x_strangler_executed != no) {
            return 598;
        }
        auth_request /_strangler/edge/wait;
        auth_delay %{delay}ms;
        error_page 401 = @strangler_again%{number};
    }
    location @strangler_again%{number} {
        default_type application/json;
        set $strangler_reason carried;
        error_page 421 503 = %{after};
        error_page 502 504 = @strangler_away;
        proxy_intercept_errors on;
        proxy_pass %{monolith};
        proxy_next_upstream off;
        include traced.conf;
        include monolith.conf;
    }
""")
_FAILING = Text("""
    # Nobody is asked what could be read in several ways, nor by a method that nobody knows.
    location @strangler_odd {
        default_type application/json;
        set $strangler_executed no;
        %{odd}
    }
    location @strangler_unknown {
        default_type application/json;
        set $strangler_executed no;
        %{unknown}
    }

    # The service has not answered a query, or never got a command that either arm may take. The
    # monolith knows whether it may answer in its place.
    location @strangler_fallback {
        default_type application/json;
        set $strangler_reason fallback;
        error_page 502 504 = @strangler_away;
        proxy_pass %{monolith};
        proxy_next_upstream off;
        include traced.conf;
        include monolith.conf;
    }

    # A command for the monolith.
    %{commands}

    # 421: whoever was asked does not own the rows, and has done nothing. Once, and to the monolith,
    # which knows the owner, and carries it there.
    location @strangler_carried {
        default_type application/json;
        set $strangler_reason carried;
        error_page 421 503 = @strangler_shut0;
        error_page 502 504 = @strangler_away;
        proxy_intercept_errors on;
        proxy_pass %{monolith};
        proxy_next_upstream off;
        include traced.conf;
        include monolith.conf;
    }

    # The owner changes at this moment, and nobody had room to let the command wait at the door: it
    # waits here, and is sent again. Whoever has not said that nothing was done is not asked again.
    %{waits}

    # A command failed. 598 stands for: not a byte of it was sent, so nothing has happened.
    %{broken}
    %{late}
    %{busy}
    location @strangler_unavailable {
        default_type application/json;
        set $strangler_executed no;
        set $strangler_retry 1;
        %{unavailable}
    }
    location @strangler_shut {
        default_type application/json;
        set $strangler_executed no;
        set $strangler_retry 1;
        %{shut}
    }

    # The monolith itself.
    %{away}
""")


_UNLESS = Text("""
    location @strangler_%{name} {
        default_type application/json;
        error_page 598 = %{elsewhere};
        if (%{nothing}) {
            return 598;
        }
        set $strangler_retry 1;
        %{answer}
    }
""")
_UNKNOWN = "OutcomeUnknown"
_PERHAPS = "it may have done what was asked, or not"


def failing(manifest: Manifest, settings: Settings) -> str:
    """The file ``failing.conf``."""
    ours = {
        headers.EDGE: "$strangler_secret",
        headers.COHORT: "$strangler_cohort",
        headers.TARGET: "$request_uri",
    }
    token = _TOKEN.filled(
        monolith=home(manifest),
        key="".join(f" ${variable(name)}" for name in _known_by(manifest, settings)),
        nothing=said(404, "NotFound", "There is nothing here."),
        headers="\n".join(f"    {line}" for line in headers.to_monolith(ours, upgraded=False)),
    )
    return file(
        "The token that a service wants, and every way in which it can go wrong.",
        token,
        _failing(manifest),
        gateway.locations(manifest),
    )


def _commands(manifest: Manifest) -> str:
    """One for each limit to a body: NGINX knows it by location only."""
    suffixes = {"": BODY, **{f".{size}": size for size in sizes.sizes(manifest)}}
    refusing, monolith = gateway.refusing(manifest), home(manifest)
    return "\n".join(
        _COMMAND.filled(suffix=suffix, size=size, refusing=refusing, monolith=monolith)
        for suffix, size in suffixes.items()
    )


def _waits(manifest: Manifest) -> str:
    """A delay and a try, for each of the delays; NGINX has no other way to wait than this one."""
    pieces = ["location = /_strangler/edge/wait {\n    internal;\n    return 401;\n}"]
    for number, delay in enumerate(WAITS):
        pieces.append(
            _WAIT.filled(
                monolith=home(manifest), number=number, delay=delay, after=_shut(number + 1)
            )
        )
    return "\n".join(pieces)


def _shut(number: int) -> str:
    return f"@strangler_shut{number}" if number < len(WAITS) else "@strangler_shut"


def _failing(manifest: Manifest) -> str:
    unsent = "$strangler_unsent"
    return _FAILING.filled(
        odd=said(400, "OddPath", "this path can be read in several ways"),
        unknown=said(501, "NotImplemented", "This method is not allowed."),
        commands=_commands(manifest),
        monolith=home(manifest),
        waits=_waits(manifest),
        broken=_unless(
            unsent,
            "$strangler_else",
            "broken",
            said(502, _UNKNOWN, f"$strangler_capability has broken off: {_PERHAPS}"),
        ),
        late=_unless(
            unsent,
            "$strangler_else",
            "late",
            said(504, _UNKNOWN, f"$strangler_capability has not answered in time: {_PERHAPS}"),
        ),
        busy=_unless(
            "$upstream_http_x_strangler_executed = no",
            "$strangler_later",
            "busy",
            said(503, "Unavailable", "It is not available at this moment: try again."),
        ),
        unavailable=said(503, "Unavailable", "It can not be reached at this moment: try again."),
        shut=said(
            503,
            "DoorShut",
            "It changes owner at this moment. Nothing has been done; try again shortly.",
        ),
        away=_unless(
            unsent,
            "@strangler_unavailable",
            "away",
            said(502, _UNKNOWN, f"The monolith has not answered: {_PERHAPS}"),
        ),
    )


def _unless(nothing: str, elsewhere: str, name: str, answer: str) -> str:
    """A location that answers so, unless nothing has happened: then it goes on elsewhere."""
    return _UNLESS.filled(nothing=nothing, elsewhere=elsewhere, name=name, answer=answer)


def _known_by(manifest: Manifest, settings: Settings) -> tuple[str, ...]:
    sticky = (key.removeprefix("header:") for key in manifest.edge.sticky if ":" in key)
    return (*settings.credentials, *sticky)
