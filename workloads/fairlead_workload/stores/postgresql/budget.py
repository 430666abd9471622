"""How many connections a server has for the role, beside what an ApiService may ask for.

It is reported, and never a failure: so many replicas may never run, and other users of the server are not known.
"""

from fairlead_workload.stores.postgresql.connections import Server, connect
from fairlead_workload.stores.postgresql.dialect import DIALECT

_LIMITS = (
    b"SELECT current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int"
    b" + coalesce(current_setting('reserved_connections', true), '0')::int,"
    b" r.rolname, r.rolconnlimit, d.datname, d.datconnlimit FROM pg_roles r, pg_database d"
    b" WHERE r.rolname = current_user AND d.datname = current_database()"
)


async def shortage(server: Server, wanted: int) -> str:
    """What to know when `server` has fewer than `wanted` connections, or nothing. Raises `Unavailable`."""
    connection = await connect(server)
    try:
        cursor = await connection.execute(_LIMITS)
        row = await cursor.fetchone()
    finally:
        await connection.close()
    if row is None:
        return ""
    most, reserved, role, of_role, database, of_database = row
    limits = [(most - reserved, f"max_connections {most} less {reserved} that are reserved")]
    if of_role >= 0:
        limits.append((of_role, f"the limit of the role {DIALECT.quoted(role)}"))
    if of_database >= 0:
        limits.append((of_database, f"the limit of the database {DIALECT.quoted(database)}"))
    room, why = min(limits)
    if wanted <= room:
        return ""
    return (
        f"up to {wanted} connections may be asked for, and there are {room} ({why}); lower"
        " datastore.postgresql.pool.max or scaling.max, raise that limit, or use a pooler"
    )
