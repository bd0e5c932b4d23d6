#!/bin/sh
# requirements/debian.sh PACKAGE…: install Debian packages where we may; else say what is missing.
set -eu

if [ "$(id -u)" = 0 ]; then
    sudo=
elif sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    sudo=no
fi
if [ "$sudo" = no ] || ! command -v apt-get >/dev/null; then
    echo "Missing on this machine: $*" >&2
    echo "Those are Debian's names. Install them (sudo apt-get install $*), or what your system" >&2
    echo "calls them, and run the same command again." >&2
    exit 1
fi
echo "Installing $* …"
export DEBIAN_FRONTEND=noninteractive
${sudo:+$sudo -E} apt-get update -qq
${sudo:+$sudo -E} apt-get install -qq -y --no-install-recommends "$@" </dev/null
