"""One change of a schema at a time: in a transaction, under an advisory lock that ends with it.

A change that has to wait for those who use the tables gives up soon, and begins again: whoever waits for a table's lock
keeps everybody behind it waiting.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg

from fairlead_workload.errors import Unavailable
from fairlead_workload.stores.postgresql import faults
from fairlead_workload.stores.postgresql.connections import Connection, Server, connect, login_of
from fairlead_workload.stores.postgresql.faults import DATASTORE, Contended

T = TypeVar("T")

LOCK_SECONDS = 3
ATTEMPTS = 10


async def changed(server: Server, schema: str, change: Callable[[Connection], Awaitable[T]]) -> T:
    """What `change` returns, once all of it is committed; if it raises, nothing is. Raises `Unavailable`."""
    for attempt in range(1, ATTEMPTS + 1):
        connection = await connect(server)
        try:
            async with connection.transaction():
                await _begin(connection, schema)
                return await change(connection)
        except psycopg.Error as error:
            failure = faults.converted(error, login_of(connection, schema))
            if not isinstance(failure, Contended):
                raise failure from None
            if attempt == ATTEMPTS:
                raise Unavailable(DATASTORE, f"the tables are in use: {failure}") from None
        finally:
            await connection.close()
    raise AssertionError("unreachable")


async def _begin(connection: Connection, schema: str) -> None:
    await connection.execute(f"SELECT set_config('lock_timeout', '{LOCK_SECONDS}s', true)".encode())
    await connection.execute(b"SELECT set_config('statement_timeout', '0', true)")
    await connection.execute(b"SELECT pg_advisory_xact_lock($1::bigint)", (str(_lock_number(schema)),))


def _lock_number(schema: str) -> int:
    digest = hashlib.sha256(f"fairlead migration of {schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
