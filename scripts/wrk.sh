#!/bin/sh
# Makes sure that wrk, the load generator of `make bench`, is there: installs it where that is allowed, else names it.
set -eu

command -v wrk >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    printf 'bench: installing wrk\n' >&2
    apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq wrk >&2 && exit 0
fi
printf 'bench: wrk is missing. Install the package "wrk" (apt-get, dnf, brew), or build https://github.com/wg/wrk\n' >&2
exit 1
