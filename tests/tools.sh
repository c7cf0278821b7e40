#!/bin/sh
# Installs what the checks of the C library and of the page use and this machine lacks, where it may: on Debian, as root.
# Elsewhere it says what is missing; those checks are then left out, or fail where CI is set.
set -eu

missing=
want() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
want c++ g++
want clang clang
want valgrind valgrind
want cmake cmake
want pkg-config pkg-config
want chromium chromium
[ -f /usr/include/httplib.h ] || missing="$missing libcpp-httplib-dev"

[ -n "$missing" ] || { echo "all there"; exit 0; }
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null && exit 0
fi
echo "missing:$missing. Debian: apt-get install$missing" >&2
[ -z "${CI:-}" ] || exit 1
