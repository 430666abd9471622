"""Open files: how many connections a process takes, so that it never runs out of them.

A process without a descriptor left can neither take a connection nor open its database or a service's address, and
nothing says so. So connections are bounded by what is allowed and not needed otherwise; those beyond wait at the socket
until one is closed. The soft limit, which is low on many machines, is raised first as far as it may be.
"""

import logging
import resource

from fairlead_workload.api.servers.base import MAX_CONNECTIONS
from fairlead_workload.errors import Misconfigured

PROCESS = 32  # standard streams, event loops and threads, with some to spare
SERVICE = 16  # database and listeners
ADMIN_CONNECTIONS = 16  # probes and scrapes of one service
MIN_CONNECTIONS = 8

_log = logging.getLogger(__name__)


def connections(*, services: int, listeners: int, calls: int) -> int:
    """How many connections each of the public `listeners` may have at a time; logged when it is less than usual.

    `calls` is the number of connections that may be open to called services. Raises Misconfigured when too few files
    are allowed.
    """
    needed = PROCESS + services * (SERVICE + ADMIN_CONNECTIONS) + calls
    allowed = _raised(needed + listeners * MAX_CONNECTIONS)
    least = needed + listeners * MIN_CONNECTIONS
    if allowed < least:
        raise Misconfigured("open files", f"{allowed} are allowed, {least} are needed", f"ulimit -n {least} or more")
    if not listeners:
        return 0
    bound = min((allowed - needed) // listeners, MAX_CONNECTIONS)
    if bound < MAX_CONNECTIONS:
        _log.warning("few open files are allowed", extra={"open_files": allowed, "max_connections": bound})
    return bound


def _raised(wanted: int) -> int:
    """The limit of open files, raised to `wanted` if need be and may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    except (OSError, ValueError):  # macOS has a lower one, which it does not report
        return soft
    return target
