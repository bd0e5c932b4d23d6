#!/bin/sh
# requirements/peers.sh: have what the benches of the edge measure it with (wrk) and beside.
set -eu
missing=
command -v wrk >/dev/null || missing="wrk"
# /usr/sbin is not on everybody's PATH.
command -v haproxy >/dev/null || ls /usr/sbin/haproxy >/dev/null 2>&1 || missing="haproxy $missing"
command -v caddy >/dev/null || missing="caddy $missing"
# shellcheck disable=SC2086  # a list of words
[ -z "$missing" ] || "$(dirname "$0")/debian.sh" $missing
