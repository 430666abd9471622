#!/bin/sh
# Makes sure that PgBouncer is there; installs it where that is allowed, else names the package. Tests start poolers of
# their own (tests/servers/pgbouncer.py), so the package's service is not started.
set -eu

PATH=$PATH:/usr/sbin:/usr/local/sbin
command -v pgbouncer >/dev/null 2>&1 && exit 0
policy=/usr/sbin/policy-rc.d
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy" # services may not be started
    chmod +x "$policy"
fi
"$(dirname "$0")/tool.sh" pgbouncer pgbouncer
