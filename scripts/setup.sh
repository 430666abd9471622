#!/bin/sh
# Sets up everything that the Makefile's verbs need, in .venv. Needs a Python of 3.11 to 3.14 and a package index; gets uv when
# there is none, into a cache folder outside the tree. Safe to run again.
set -eu

UV_REQUIREMENT='uv>=0.9'
CACHE="${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/fairlead"

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

is_fit() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null
}

find_python() {
    for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11 python; do
        if is_fit "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    fail 'no Python of 3.11 to 3.14 found. Install one (Debian, Ubuntu: apt-get install python3 python3-venv), or name it with PYTHON=/path/to/python3'
}

# uv older than the lock file's format cannot read it.
is_good_uv() {
    "$1" export --frozen --quiet --no-hashes --python "$python" >/dev/null 2>&1
}

find_uv() {
    for candidate in "${UV:-uv}" "$CACHE/uv/bin/uv"; do
        if command -v "$candidate" >/dev/null 2>&1 && is_good_uv "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

# A virtual environment where the system's Python can make one; else pip into a plain folder, which a managed system allows.
install_uv() {
    mkdir -p "$CACHE" || fail "cannot write to $CACHE; name another folder with XDG_CACHE_HOME"
    printf 'setup: getting uv into %s\n' "$CACHE/uv" >&2
    rm -rf "$CACHE/uv"
    if "$1" -m venv "$CACHE/uv" >/dev/null 2>&1; then
        "$CACHE/uv/bin/python" -m pip install --quiet --disable-pip-version-check "$UV_REQUIREMENT" >&2 && return
    fi
    rm -rf "$CACHE/uv"
    "$1" -m pip install --quiet --disable-pip-version-check --target "$CACHE/uv" "$UV_REQUIREMENT" >&2
}

# Debian and Ubuntu ship Python without venv and pip.
install_venv_module() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
    printf 'setup: installing python3-venv\n' >&2
    apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >&2
}

get_uv() {
    find_uv && return
    install_uv "$1" || { install_venv_module && install_uv "$1"; } ||
        fail 'uv could not be installed. Install uv yourself (pipx install uv), or install python3-venv and run make setup again'
    find_uv || fail "the uv in $CACHE/uv does not run, or cannot read uv.lock"
}

cd "$(dirname "$0")/.."
python=$(find_python)
uv=$(get_uv "$python")
if [ -x .venv/bin/python ] && is_fit .venv/bin/python; then
    "$uv" sync --frozen --all-extras --group bench --compile-bytecode
else
    "$uv" sync --frozen --all-extras --group bench --compile-bytecode --python "$python"
fi
touch .venv/.ready
