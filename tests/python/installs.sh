#!/bin/sh
# Installs the package in every way that pip knows, each into an environment of its own, from what is committed alone:
# tests/python/installs.sh
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
# One target directory for all: what is built once is not built again.
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/source"
git archive HEAD | tar -x -C "$work/source"

install() {
    name=$1
    shift
    "$python" -m venv "$work/$name"
    "$work/$name/bin/pip" install --quiet --disable-pip-version-check "$@"
    (cd "$work" && "$work/$name/bin/python" - && "$work/$name/bin/enclava-keys" --version >/dev/null) <<'EOF'
from enclava_keys import Gate

gate = Gate.open("memory:")
secret = gate.create_key("k", daily_spend_limit=1).secret.reveal()
assert gate.authorize(secret, cost=1).settle(cost=1).usage.cost == 1
EOF
    echo "installed: $name"
}

install folder "$work/source"
install editable --editable "$work/source"
"$work/folder/bin/pip" install --quiet --disable-pip-version-check build twine
"$work/folder/bin/python" -m build --sdist --outdir "$work/sdist" "$work/source" >/dev/null
"$work/folder/bin/twine" check --strict "$work"/sdist/*
install sdist "$work"/sdist/*.tar.gz
