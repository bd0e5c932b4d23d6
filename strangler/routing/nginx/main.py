"""The files that hold the others together: the server, the log, and a whole NGINX."""

from __future__ import annotations

import textwrap

from strangler.manifest import Manifest
from strangler.routing.nginx import gateway
from strangler.routing.nginx.answering import home
from strangler.routing.nginx.gateway import serving
from strangler.routing.nginx.settings import LINGERING, Settings
from strangler.routing.nginx.writing import Text, file

_SHARED = Text("""
    # What a location says of a request with `set`, and what it is where none says so.
    map "" $strangler_capability { default ""; }
    map "" $strangler_kind { default ""; }
    map "" $strangler_reason { default ""; }
    map "" $strangler_arm { default ""; }
    map "" $strangler_pinned { default ""; }
    map "" $strangler_rows { default ""; }
    map "" $strangler_service { default ""; }
    map "" $strangler_deadline { default ""; }
    map "" $strangler_else { default @strangler_unavailable; }
    map "" $strangler_later { default @strangler_unavailable; }
    map "" $strangler_context { default ""; }
    map "" $strangler_executed { default ""; }
    map "" $strangler_retry { default ""; }
    map "" $strangler_mark { default ""; }
    map "" $strangler_own_trace { default ""; }

    # The secret by which the monolith knows this edge: `secret.map` beside this file, which is made
    # on each host and never committed. Without it the monolith believes nothing of what we say.
    map edge $strangler_secret {
        include secret[.]map;
    }

    # The arm that is asked is the service if the monolith has given a token for it. Without one the
    # monolith is asked in the service's place, as the edge asks it.
    map $upstream_http_x_strangler_context $strangler_entitled {
        volatile;
        default service;
        "" "";
    }
    map $strangler_arm $strangler_asked {
        volatile;
        default $strangler_service;
        "" %{monolith};
    }
    map $strangler_arm $strangler_proof {
        volatile;
        default "";
        "" $strangler_secret;
    }
    map $strangler_arm $strangler_proved_cohort {
        volatile;
        default "";
        "" $strangler_cohort;
    }
    map $strangler_arm $strangler_proved_reason {
        volatile;
        default "";
        "" refused;
    }

    # Without one the service was never asked, and has not failed either.
    map "$strangler_reason:$strangler_arm" $strangler_because {
        volatile;
        default $strangler_reason;
        "inside:" refused;
        "fallback:" refused;
    }

    # What the client is told: arm and reason where a service has answered (of its own answers the
    # monolith says so itself), a trace and a cookie on the paths of a capability.
    map $strangler_arm $strangler_shown_reason {
        volatile;
        default "";
        service inside;
    }
    map $strangler_capability $strangler_shown_trace {
        volatile;
        default $strangler_begun;
        "" "";
    }
    map $strangler_capability $strangler_shown_cookie {
        default $strangler_cookie;
        "" "";
    }

    # Was not a byte sent to the last upstream that was tried? Then nothing has happened.
    map $upstream_bytes_sent $strangler_unsent {
        volatile;
        default "";
        "~(?:^|: )[0-](?:, [0-])*$" unsent;
    }
    map $request_method $strangler_unsafe {
        default unsafe;
        GET "";
        HEAD "";
        OPTIONS "";
    }
    # The time to ten seconds. What was kept before somebody has set the clock back would else be kept
    # until the clock is there again, and a token would long be none.
    map $time_iso8601 $strangler_moment {
        default "";
        "~^(?<strangler_ten_seconds>.{18})" $strangler_ten_seconds;
    }
    # Web sockets, and no other protocol: h2c would speak past the edge.
    map $http_upgrade $strangler_upgrade {
        default "";
        websocket websocket;
    }
    map $http_upgrade $strangler_connection {
        default "";
        websocket upgrade;
    }
""")
_LOG = Text("""
    log_format strangler escape=json
        '{"time":"$time_iso8601","at":$msec,"capability":"$strangler_capability",'
        '"kind":"$strangler_kind","arm":"$sent_http_x_strangler_arm",'
        '"reason":"$strangler_because","cohort":"$strangler_cohort",%{gateway}'
        '"method":"$request_method","path":"$uri","status":$status,"bytes":$body_bytes_sent,'
        '"seconds":$request_time,"upstream":"$upstream_addr","upstream_status":"$upstream_status",'
        '"upstream_seconds":"$upstream_response_time","trace":"$strangler_logged_trace"}';
    # In blocks: a line at a time costs a twentieth of the throughput.
    access_log access.json strangler buffer=64k flush=1s;
""")
_SERVER = Text("""
    # What an answer says that comes neither from decide.conf nor from ask.conf.
    include told.conf;
    add_header X-Strangler-Executed $strangler_executed always;
    add_header Retry-After $strangler_retry always;
    add_header traceparent $strangler_shown_trace always;
    add_header Set-Cookie $strangler_shown_cookie always;
    add_header Set-Cookie $strangler_mark always;
    %{gateway}
    client_max_body_size %{body};
    recursive_error_pages on;
    request_pool_size 16k; # a request's variables find room at once
    proxy_buffer_size 16k;
    proxy_buffers 8 16k;

    # Is there a table at all? It is only said, and nothing depends on it: so it is enough to know
    # what was so within the last second. Where a capability's files are looked for, nothing is kept.
    open_file_cache max=64 inactive=60s;
    open_file_cache_valid 1s;
    open_file_cache_errors on;
    set $strangler_outside outside;
    if (!-d %{table}/current) {
        set $strangler_outside owner; # the monolith answers, and carries commands on
    }

    include routes.conf;
    include services.conf;
    include failing.conf;

    %{ready}

    # Ports are for kit parties, which ask each other without an edge.
    location ^~ /_strangler/ {
        default_type application/json;
        return 404 '{"error": "NotFound", "message": "There is nothing here.", "detail": {}}';
    }

    # Everything else is the monolith's, streams and web sockets too.
    location / {
        error_page 502 504 = @strangler_away;
        proxy_pass %{monolith};
        proxy_next_upstream off;
        include traced.conf;
        include monolith.conf;
    }
""")
_MAIN = Text("""
    worker_processes auto;
    worker_shutdown_timeout 30s;
    pcre_jit on;
    pid nginx.pid;
    error_log error.log error;

    events {
        worker_connections 4096;
    }

    http {
        default_type application/octet-stream;
        client_body_temp_path body;
        proxy_temp_path proxy;
        fastcgi_temp_path fastcgi;
        uwsgi_temp_path uwsgi;
        scgi_temp_path scgi;
        proxy_cache_path tokens levels=1 keys_zone=strangler_tokens:8m max_size=64m inactive=30s use_temp_path=off;
        # Enough for a thousand capabilities.
        variables_hash_max_size 16384;
        variables_hash_bucket_size 128;
        map_hash_bucket_size 128;
        proxy_headers_hash_max_size 2048;
        proxy_headers_hash_bucket_size 128;
        server_tokens off;
        keepalive_requests 100000;
        %{lingering}
        # No open_file_cache: a flip would not be seen until it expires.
        open_file_cache off;

        include shared.conf;
        include cohorts.conf;
        include clients.conf;
        include requests.conf;
        include upstreams.conf;
        include gateway.conf;
        include log.conf;

        %{servers}
    }
""")


def shared(manifest: Manifest) -> str:
    """The file ``shared.conf``."""
    return file("What the other files share.", _SHARED.filled(monolith=home(manifest)))


def log(manifest: Manifest) -> str:
    """The file ``log.conf``."""
    return file(
        "The access log: a JSON object a line. `arm` is who has answered at last, as the client "
        "is told; `upstream_status` names every upstream that was tried, in order: the first is "
        "the truth about the service.",
        _LOG.filled(gateway=gateway.logged(manifest)),
    )


def server(manifest: Manifest, settings: Settings) -> str:
    """The file ``server.conf``."""
    return file(
        "What stands inside `server { … }`. Include it in your own, with TLS and names of your own.",
        _SERVER.filled(
            body=settings.body,
            monolith=home(manifest),
            table=settings.table,
            ready=serving.READY.filled(table=settings.table),
            gateway=gateway.inside_server(manifest),
        ),
    )


def main(manifest: Manifest, settings: Settings) -> str:
    """The file ``nginx.conf``.

    Raises:
        CannotCompile: what the manifest says of the site, and what the settings say, disagree.
    """
    lingering = "keepalive_min_timeout 2s; # a reload fails no kept connection"
    return file(
        "A whole NGINX: nginx -p FOLDER -c nginx.conf. Logs, and what NGINX keeps, go to FOLDER.",
        f"user {settings.user};" if settings.user else "",
        _MAIN.filled(
            servers=textwrap.indent(serving.servers(manifest, settings), "    ").strip(),
            lingering=lingering if settings.version >= LINGERING else "",
        ),
    )
