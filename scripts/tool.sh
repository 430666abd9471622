#!/bin/sh
# scripts/tool.sh COMMAND PACKAGE: makes sure that COMMAND is there; installs PACKAGE where that is allowed, else names it.
set -eu

command -v "$1" >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    printf 'setup: installing %s\n' "$2" >&2
    apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >&2 && exit 0
fi
printf 'setup: %s is missing. Install the package "%s" (apt-get, dnf, brew)\n' "$1" "$2" >&2
exit 1
