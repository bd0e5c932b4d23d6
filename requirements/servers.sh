#!/bin/sh
# requirements/servers.sh: have the servers that tests start for themselves: PostgreSQL, PgBouncer,
# Redis, NGINX, and a newer NGINX beside it; and what makes a server's clock wrong.
set -eu
missing=
command -v redis-server >/dev/null || missing="redis-server"
# Debian keeps PostgreSQL's server off PATH.
command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 ||
    missing="postgresql $missing"
# Nor is /usr/sbin on everybody's.
command -v nginx >/dev/null || ls /usr/sbin/nginx >/dev/null 2>&1 || missing="nginx $missing"
command -v pgbouncer >/dev/null || ls /usr/sbin/pgbouncer >/dev/null 2>&1 ||
    missing="pgbouncer $missing"
command -v faketime >/dev/null || missing="faketime $missing"
# shellcheck disable=SC2086  # a list of words
[ -z "$missing" ] || "$(dirname "$0")/debian.sh" $missing
# Whoever can't have that is told so, and may test the rest.
"$(dirname "$0")/nginx-current.sh" || :
