#!/bin/sh
# requirements/venv.sh demo|dev: have .venv hold what requirements/demo.txt or dev.txt pins, and
# this project itself, editable.
#
# A stamp, .venv/demo or .venv/dev, says that an environment is whole. Without one it is made anew:
# pip takes a package for installed of which an interrupted run left only some files.
set -eu
cd "$(dirname "$0")/.."
wanted=$1

find_python() {
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo "No Python 3.11 or later among: ${PYTHON:-python3 python3.13 python3.12 python3.11}." >&2
    echo "Install one, or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
}

if [ ! -e .venv/demo ] && [ ! -e .venv/dev ]; then
    python=$(find_python)
    # Debian packs this part of Python by itself.
    "$python" -c 'import ensurepip' 2>/dev/null || requirements/debian.sh python3-venv
    echo "Making .venv with $("$python" --version) …"
    rm -rf .venv
    "$python" -m venv .venv
fi
rm -f .venv/demo .venv/dev
echo "Installing requirements/$wanted.txt …"
.venv/bin/python -m pip install --quiet --require-hashes -r "requirements/$wanted.txt"
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
touch .venv/demo ".venv/$wanted"  # dev.txt holds all of demo.txt
