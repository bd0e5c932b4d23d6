#!/bin/sh
# router/start.sh [OPTION...]: what the edge's container runs: NGINX, and the agent beside it.
#
# OPTIONs are the agent's. NGINX is the container: it ends with it. The agent is started again if it
# ends; until then NGINX goes on with the table that is there. SIGTERM and SIGQUIT let the agent say
# that it leaves, and NGINX finish what it has begun.
set -eu
folder=${STRANGLER_NGINX:-/nginx}

python -m strangler agent --nginx "$folder" "$@" --once

agent() {
    trap 'kill "$!" 2>/dev/null; wait "$!"; exit' TERM
    while :; do
        python -m strangler agent --nginx "$folder" "$@" &
        wait "$!" || true
        sleep 1 &
        wait "$!" || true
    done
}
agent "$@" &
beside=$!
nginx -p "$folder" -c current/nginx.conf -e stderr -g 'daemon off;' &
front=$!
trap 'kill "$beside"; kill -QUIT "$front"' TERM QUIT INT
while kill -0 "$front" 2>/dev/null; do
    code=0
    wait "$front" || code=$?
done
kill "$beside" 2>/dev/null || true
wait "$beside" || true
exit "$code"
