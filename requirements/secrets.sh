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
.venv/bin/strangler keys monolith catalog inventory pricing --folder "$draft"
IDENTITY_KEYS=$draft/identity_keys.json .venv/bin/python manage.py rotate_keys
rm -f "$draft"/*.lock
random() { .venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(48), end="")'; }
random >"$draft/postgres_password"
random >"$draft/catalog_postgres_password"
random >"$draft/inventory_postgres_password"
cat >"$draft/monolith.env" <<EOT
SECRET_KEY=$(random)
DATABASE_URL=postgresql://shop:$(cat "$draft/postgres_password")@postgres:5432/shop
EOT
cat >"$draft/catalog.env" <<EOT
CATALOG_DATABASE_URL=postgresql://catalog:$(cat "$draft/catalog_postgres_password")@catalog-postgres:5432/catalog
EOT
cat >"$draft/inventory.env" <<EOT
INVENTORY_DATABASE_URL=postgresql://inventory:$(cat "$draft/inventory_postgres_password")@inventory-postgres:5432/inventory
EOT
# Compose mounts these files as they are: the containers' user must be able to read them. What
# keeps everybody else out is the folder.
chmod 644 "$draft"/*
chmod 700 "$draft"
mv "$draft" $folder
trap - EXIT
echo "Wrote $folder."
