#!/bin/sh
# Prints the folder of the programs of a PostgreSQL server; installs them where that is allowed, else names the package.
# Tests start servers of their own (tests/servers/postgresql.py, which looks in the same folders), so the package makes no
# cluster, and no service is left running.
set -eu

has_programs() {
    [ -x "$1/postgres" ] && [ -x "$1/initdb" ] && [ -x "$1/pg_basebackup" ] && echo "$1"
}

find_programs() {
    for program in postgres initdb pg_basebackup; do
        if found=$(command -v "$program"); then
            has_programs "$(dirname "$(readlink -f "$found")")" && return
        fi
    done
    if command -v pg_config >/dev/null 2>&1; then
        has_programs "$(pg_config --bindir)" && return
    fi
    for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/pgsql/bin; do
        has_programs "$folder" && return
    done
    return 1
}

find_programs && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    settings=/etc/postgresql-common/createcluster.d
    mkdir -p "$settings"
    trap 'rm -f "$settings/fairlead.conf"' EXIT
    echo 'create_main_cluster = false' >"$settings/fairlead.conf"
fi
"$(dirname "$0")/tool.sh" initdb postgresql >&2
find_programs
