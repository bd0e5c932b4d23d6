#!/bin/sh
# requirements/secrets.sh: make what compose.yaml mounts, in var/secrets: keys and passwords, once.
set -eu
cd "$(dirname "$0")/.."
folder=var/secrets

mkdir -p var
if [ -e $folder ]; then
    echo "$folder is there already; remove it to make new keys and passwords."
    exit
fi
draft=$(mktemp -d var/secrets.XXXXXX)
trap 'rm -rf "$draft"' EXIT
.venv/bin/strangler keys monolith catalog inventory notifications pricing edge --folder "$draft"
IDENTITY_KEYS=$draft/identity_keys.json .venv/bin/python manage.py rotate_keys
rm -f "$draft"/*.lock
random() { .venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(48), end="")'; }
# A database NAME on SERVER: its superuser's password, the script that makes the roles of its owner
# and of the mover, and their URLs, as OURS in FILE and as MOVERS in mover.env. No role is a
# superuser, and what the mover is granted for is in docs/how-to/move-tables.md.
database() { # NAME SERVER FILE OURS MOVERS
    on=$draft/$(echo "$2" | tr - _)
    random >"${on}_password"
    owner=$(random)
    mover=$(random)
    cat >"$on.sql" <<EOT
CREATE ROLE $1 LOGIN PASSWORD '$owner';
ALTER DATABASE $1 OWNER TO $1;
CREATE ROLE mover LOGIN PASSWORD '$mover';
GRANT $1 TO mover;
GRANT USAGE, CREATE ON SCHEMA public TO mover;
GRANT TEMPORARY ON DATABASE $1 TO mover;
EOT
    echo "$4=postgresql://$1:$owner@$2:5432/$1" >>"$draft/$3"
    echo "$5=postgresql://mover:$mover@$2:5432/$1" >>"$draft/mover.env"
}
echo "SECRET_KEY=$(random)" >"$draft/monolith.env"
echo "PAYMENTS_WEBHOOK_SECRETS=$(random)" >"$draft/provider.env"
database shop postgres monolith.env DATABASE_URL STRANGLER_MOVER_DATABASE
database catalog catalog-postgres catalog.env CATALOG_DATABASE_URL STRANGLER_CATALOG_DATABASE
database inventory inventory-postgres inventory.env INVENTORY_DATABASE_URL STRANGLER_INVENTORY_DATABASE
database notifications notifications-postgres notifications.env \
    NOTIFICATIONS_DATABASE_URL STRANGLER_NOTIFICATIONS_DATABASE
# Compose mounts these files as they are: the containers' user must be able to read them. What
# keeps everybody else out is the folder.
chmod 644 "$draft"/*
chmod 700 "$draft"
mv "$draft" $folder
trap - EXIT
echo "Wrote $folder."
