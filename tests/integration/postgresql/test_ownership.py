"""Whose a schema is: provisioning and teardown touch only what Fairlead made for this ApiService, and nothing else."""

import secrets
from collections.abc import AsyncIterator

import pytest
from tests.servers.postgresql import GROUP, NO_FSYNC, PASSWORD, PostgreSQL, running
from tests.unit.sqlite.resources import TEXT, put, resource

from fairlead_workload.credentials import Credentials
from fairlead_workload.errors import Misconfigured, Unavailable
from fairlead_workload.stores.postgresql import (
    Owner,
    PostgresqlStore,
    Reason,
    Server,
    provision,
    shortage,
    teardown,
)

pytestmark = pytest.mark.xdist_group(GROUP)

ORDERS = resource({"id": TEXT})
NOTED = resource({"id": TEXT, "note": TEXT}, indexes=(("byNote", "note"),))
OURS = Owner("shop", "orders")


@pytest.fixture
async def schema(postgresql: PostgreSQL) -> AsyncIterator[str]:
    """A name that no schema has."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    postgresql.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")


def content(postgresql: PostgreSQL, schema: str) -> list[tuple[object, ...]]:
    """Every relation in the schema, and which file it has."""
    return postgresql.execute(
        f"SELECT c.relname, c.relfilenode, c.xmin::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE n.nspname = '{schema}' ORDER BY 1"
    )


async def refusal(server: Server, schema: str, owner: Owner = OURS, expected: str = "") -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        await provision(server, schema, [ORDERS], owner=owner, expected=expected)
    assert caught.value.path == "datastore.postgresql"
    assert caught.value.remedy
    return caught.value


async def test_a_schema_is_marked_once(postgresql: PostgreSQL, schema: str) -> None:
    server = postgresql.server()
    mark = await provision(server, schema, [ORDERS], owner=OURS)
    before = content(postgresql, schema)
    assert await provision(server, schema, [ORDERS], owner=OURS) == mark
    assert await provision(server, schema, [ORDERS], owner=OURS, expected=mark) == mark
    assert content(postgresql, schema) == before
    assert postgresql.execute(f"SELECT namespace, name, mark FROM {schema}._owner") == [("shop", "orders", mark)]
    await teardown(server, schema, OURS)
    assert await provision(server, schema, [ORDERS], owner=OURS) != mark


async def test_an_empty_schema_that_somebody_made_is_taken(postgresql: PostgreSQL, schema: str) -> None:
    postgresql.execute(f"CREATE SCHEMA {schema}")
    assert await provision(postgresql.server(), schema, [ORDERS], owner=OURS)


@pytest.mark.parametrize(
    "what", ["TABLE {}.orders (id text)", "VIEW {}.orders AS SELECT 1 AS id", "SEQUENCE {}.orders"]
)
async def test_a_schema_with_what_others_made_is_refused_and_not_changed(
    postgresql: PostgreSQL, schema: str, what: str
) -> None:
    postgresql.execute(f"CREATE SCHEMA {schema}")
    postgresql.execute(f"CREATE {what.format(schema)}")
    before = content(postgresql, schema)
    error = await refusal(postgresql.server(), schema)
    assert error.reason == Reason.SCHEMA_NOT_OURS
    assert "was not made by Fairlead and has orders" in error.message
    assert content(postgresql, schema) == before
    removal = await teardown(postgresql.server(), schema, OURS)
    assert (removal.reason, content(postgresql, schema)) == (Reason.SCHEMA_NOT_OURS, before)


async def test_a_schema_that_the_role_may_not_even_look_into_is_not_asked_for(
    postgresql: PostgreSQL, schema: str
) -> None:
    role = f"role_{secrets.token_hex(4)}"
    postgresql.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    postgresql.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.orders (id text)")
    server = postgresql.server(credentials=lambda: Credentials(role, PASSWORD))
    assert (await refusal(server, schema)).reason == Reason.SCHEMA_NOT_OURS
    assert (await teardown(server, schema, OURS)).reason == Reason.SCHEMA_NOT_OURS
    postgresql.execute(f"DROP ROLE {role}")


async def test_the_schema_of_another_apiservice_is_refused_and_not_changed(postgresql: PostgreSQL, schema: str) -> None:
    await provision(postgresql.server(), schema, [ORDERS], owner=Owner("shop", "others"))
    before = content(postgresql, schema)
    error = await refusal(postgresql.server(), schema)
    assert error.reason == Reason.SCHEMA_NOT_OURS
    assert "belongs to the ApiService shop/others" in error.message
    removal = await teardown(postgresql.server(), schema, OURS)
    assert removal.reason == Reason.SCHEMA_NOT_OURS
    assert "shop/others" in removal.message
    assert content(postgresql, schema) == before


async def test_a_store_that_is_gone_or_another_one_is_not_begun_anew(postgresql: PostgreSQL, schema: str) -> None:
    server = postgresql.server()
    mark = await provision(server, schema, [ORDERS], owner=OURS)
    await teardown(server, schema, OURS)
    error = await refusal(server, schema, expected=mark)
    assert (error.reason, content(postgresql, schema)) == (Reason.STORE_CHANGED, [])
    assert "is gone" in error.message
    await provision(server, schema, [ORDERS], owner=OURS)
    error = await refusal(server, schema, expected=mark)
    assert error.reason == Reason.STORE_CHANGED
    assert "is another one" in error.message
    postgresql.execute(f"DROP TABLE {schema}._owner")
    assert (await refusal(server, schema, expected=mark)).reason == Reason.STORE_CHANGED
    assert (await refusal(server, schema)).reason == Reason.SCHEMA_NOT_OURS


# Teardown


async def test_teardown_deletes_all_that_is_ours_and_can_be_repeated(postgresql: PostgreSQL, schema: str) -> None:
    server = postgresql.server()
    assert (await teardown(server, schema, OURS)).message == f'there is no schema "{schema}"'
    await provision(server, schema, [NOTED, resource({"id": TEXT}, name="products")], owner=OURS)
    store = await PostgresqlStore.open(server, [NOTED], schema=schema)
    await store.commit(put("a", note="n"))
    await store.close()
    removal = await teardown(server, schema, OURS)
    assert (removal.reason, removal.message) == (Reason.DELETED, f'the schema "{schema}" is deleted')
    assert postgresql.execute(f"SELECT 1 FROM pg_namespace WHERE nspname = '{schema}'") == []
    assert (await teardown(server, schema, OURS)).reason == Reason.DELETED


@pytest.mark.parametrize(
    ("made", "unmade", "words"),
    [
        ("TABLE {schema}.reports (id text)", "TABLE {schema}.reports", "did not make: reports"),
        ("FUNCTION {schema}.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "FUNCTION {schema}.f", "other objects depend"),
        ("VIEW v_{schema} AS SELECT * FROM {schema}.orders", "VIEW v_{schema}", "other objects depend"),
    ],
)
async def test_teardown_deletes_nothing_that_others_made_or_use(
    postgresql: PostgreSQL, schema: str, made: str, unmade: str, words: str
) -> None:
    server = postgresql.server()
    await provision(server, schema, [ORDERS], owner=OURS)
    postgresql.execute(f"CREATE {made.format(schema=schema)}")
    before = content(postgresql, schema)
    with pytest.raises(Misconfigured) as caught:
        await teardown(server, schema, OURS)
    assert caught.value.reason == Reason.SCHEMA_IN_USE
    assert words in caught.value.message
    assert content(postgresql, schema) == before
    postgresql.execute(f"DROP {unmade.format(schema=schema)}")
    assert (await teardown(server, schema, OURS)).reason == Reason.DELETED


async def test_a_schema_that_was_given_to_the_role_stays_empty(postgresql: PostgreSQL, schema: str) -> None:
    role = f"role_{secrets.token_hex(4)}"
    postgresql.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    postgresql.execute(f"CREATE SCHEMA {schema}")
    postgresql.execute(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}")
    server = postgresql.server(credentials=lambda: Credentials(role, PASSWORD))
    await provision(server, schema, [ORDERS], owner=OURS)
    assert "the empty schema belongs to another role" in (await teardown(server, schema, OURS)).message
    assert content(postgresql, schema) == []
    postgresql.execute(f"DROP OWNED BY {role}")
    postgresql.execute(f"DROP ROLE {role}")


async def test_a_schema_that_is_gone_while_a_pod_serves_is_named(postgresql: PostgreSQL, schema: str) -> None:
    server = postgresql.server()
    await provision(server, schema, [ORDERS], owner=OURS)
    store = await PostgresqlStore.open(server, [ORDERS], schema=schema)
    await teardown(server, schema, OURS)
    with pytest.raises(Unavailable) as caught:
        await store.get("orders", [("a",)])
    assert caught.value.reason == Reason.NOT_PROVISIONED
    assert "run the provision Job" in caught.value.message
    await store.close()


# The connections


async def test_the_least_of_the_limits_is_named(postgresql: PostgreSQL) -> None:
    with running({**NO_FSYNC, "max_connections": "30"}) as server:
        server.execute(f"CREATE ROLE orders LOGIN PASSWORD '{PASSWORD}'")
        server.execute("CREATE DATABASE orders")
        reached = server.server(database="orders", credentials=lambda: Credentials("orders", PASSWORD))
        assert await shortage(reached, 27) == ""
        assert "there are 27 (max_connections 30 less 3 that are reserved)" in await shortage(reached, 28)
        server.execute("ALTER DATABASE orders CONNECTION LIMIT 20")
        assert 'there are 20 (the limit of the database "orders")' in await shortage(reached, 28)
        server.execute("ALTER ROLE orders CONNECTION LIMIT 10")
        assert 'there are 10 (the limit of the role "orders")' in await shortage(reached, 28)
        assert await shortage(reached, 10) == ""
