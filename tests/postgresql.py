"""PostgreSQL stores of tests: each test has a schema of its own.

To make and to drop one takes longer than most tests. So a test that ends empties its schema, and the next one with the
same resources gets it.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

from tests.servers.postgresql import PostgreSQL

from fairlead_contract.spec.api import Resource
from fairlead_workload.stores.postgresql import PostgresqlStore, provision

_empty: WeakKeyDictionary[PostgreSQL, dict[str, list[str]]] = WeakKeyDictionary()  # schemas by their resources


@asynccontextmanager
async def new_schema(server: PostgreSQL, resources: Sequence[Resource]) -> AsyncIterator[str]:
    """A schema with the empty tables of `resources`."""
    shape = ",".join(resource.model_dump_json() for resource in resources)
    schemas = _empty.setdefault(server, {}).setdefault(shape, [])
    if schemas:
        schema = schemas.pop()
    else:
        schema = f"test_{secrets.token_hex(6)}"
        await provision(server.server(), schema, resources)
    try:
        yield schema
    finally:
        tables = [resource.name for resource in resources] + ["_records", "_outbox", "_refused_events", "_marks"]
        server.execute("; ".join(f'DELETE FROM {schema}."{table}"' for table in tables))
        schemas.append(schema)


@asynccontextmanager
async def open_schema(
    running: PostgreSQL, resources: Sequence[Resource], /, *, schema: str | None = None, **options: Any
) -> AsyncIterator[PostgresqlStore]:
    """A store, on a new schema unless one is named. `options` are those of `PostgresqlStore.open`."""
    async with AsyncExitStack() as stack:
        own = schema or await stack.enter_async_context(new_schema(running, resources))
        server = options.pop("server", None) or running.server()
        store = await PostgresqlStore.open(server, resources, schema=own, **options)
        stack.push_async_callback(store.close)
        yield store


@asynccontextmanager
async def open_several(
    server: PostgreSQL, resources: Sequence[Resource], count: int, **options: Any
) -> AsyncIterator[list[PostgresqlStore]]:
    """Stores on one new schema, as several pods have them."""
    async with AsyncExitStack() as stack:
        schema = await stack.enter_async_context(new_schema(server, resources))
        yield [
            await stack.enter_async_context(open_schema(server, resources, schema=schema, **options))
            for _ in range(count)
        ]
