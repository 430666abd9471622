"""Every cause for which PostgreSQL cannot be used, on real servers: its reason, the words, and no password in them."""

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from tests.cluster.certificates import Authority
from tests.integration.postgresql.conftest import running_for_localhost
from tests.left_out import skip_if_left_out
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgresql import GROUP, NO_FSYNC, PART, PASSWORD, PostgreSQL, running
from tests.unit.sqlite.resources import TEXT, resource

from fairlead_contract.spec.bindings import TlsMode
from fairlead_operator.diagnosis.redaction import redact
from fairlead_workload.credentials import Credentials, from_folder
from fairlead_workload.errors import Misconfigured, Unavailable
from fairlead_workload.stores.postgresql import Limits, Reason, Server, Tls, migration, provision
from fairlead_workload.stores.postgresql.causes import Login, of_connection
from fairlead_workload.stores.postgresql.connections import Connection, Pool, Statement, connect, execute

pytestmark = pytest.mark.xdist_group(GROUP)

PLAIN = resource({"id": TEXT})
HBA = """
hostssl all by_certificate 127.0.0.1/32 cert
hostssl all nobody 127.0.0.1/32 cert
hostssl all certified 127.0.0.1/32 scram-sha-256 clientcert=verify-ca
hostssl all encrypted 127.0.0.1/32 scram-sha-256
host all fairlead 127.0.0.1/32 scram-sha-256
"""


@pytest.fixture(scope="module", autouse=True)
def _left_out() -> None:
    skip_if_left_out(PART)


async def cause_of(server: Server) -> tuple[str, str]:
    """Reason and message of a connection that fails."""
    with pytest.raises(Unavailable) as caught:
        await connect(server)
    return checked(caught.value)


def checked(error: Unavailable | Misconfigured) -> tuple[str, str]:
    """What an error says; the operator shows all of it."""
    assert PASSWORD not in str(error)
    assert redact(error.message) == error.message
    assert "; " in error.message or isinstance(error, Misconfigured)
    return error.reason, error.message


# Roles, databases, limits


@pytest.fixture
async def role(postgresql: PostgreSQL) -> AsyncIterator[str]:
    """A role that may log in, and nothing more."""
    name = f"role_{secrets.token_hex(4)}"
    postgresql.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    yield name
    postgresql.execute(f"DROP OWNED BY {name}")
    postgresql.execute(f"DROP ROLE {name}")


def of_role(server: PostgreSQL, role: str, password: str = PASSWORD, **changes: object) -> Server:
    return server.server(credentials=lambda: Credentials(role, password), **changes)


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_a_wrong_password(postgresql: PostgreSQL, role: str, password: str) -> None:
    reason, message = await cause_of(of_role(postgresql, role, password))
    assert reason == Reason.WRONG_PASSWORD
    assert f'refuses the password of the role "{role}"' in message
    assert "credentialsSecret" in message


async def test_an_unknown_role_is_a_wrong_password_to_the_server(postgresql: PostgreSQL) -> None:
    reason, message = await cause_of(of_role(postgresql, "nobody"))
    assert reason == Reason.WRONG_PASSWORD
    assert "or has no such role" in message


async def test_a_role_that_may_not_log_in(postgresql: PostgreSQL, role: str) -> None:
    postgresql.execute(f"ALTER ROLE {role} NOLOGIN")
    reason, message = await cause_of(of_role(postgresql, role))
    assert reason == Reason.LOGIN_NOT_PERMITTED
    postgresql.execute(message.partition("; ")[2])
    await (await connect(of_role(postgresql, role))).close()


async def test_credentials_that_are_not_there(postgresql: PostgreSQL, tmp_path: Path) -> None:
    (tmp_path / "username").write_text("fairlead")
    server = postgresql.server(credentials=from_folder(tmp_path, dependency="datastore"))
    reason, message = await cause_of(server)
    assert reason == Reason.CREDENTIALS_UNREADABLE
    assert "the key password" in message


async def test_an_unknown_database(postgresql: PostgreSQL) -> None:
    reason, message = await cause_of(postgresql.server(database="nothing"))
    assert reason == Reason.DATABASE_NOT_FOUND
    assert 'has no database "nothing"' in message
    assert 'CREATE DATABASE "nothing" OWNER "fairlead"' in message


async def test_the_statement_in_the_message_gives_the_right_to_connect(postgresql: PostgreSQL, role: str) -> None:
    name = f"closed_{secrets.token_hex(4)}"
    postgresql.execute(f"CREATE DATABASE {name}")
    postgresql.execute(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    server = of_role(postgresql, role, database=name)
    reason, message = await cause_of(server)
    assert reason == Reason.MISSING_RIGHT
    postgresql.execute(message.rpartition("; ")[2])
    await (await connect(server)).close()
    postgresql.execute(f"DROP DATABASE {name}")


@pytest.mark.parametrize("what", ["ROLE {role}", "DATABASE {database}"])
async def test_a_limit_of_connections(postgresql: PostgreSQL, role: str, what: str) -> None:
    database = f"limited_{secrets.token_hex(4)}"
    postgresql.execute(f"CREATE DATABASE {database}")
    postgresql.execute(f"ALTER {what} CONNECTION LIMIT 0".format(role=role, database=database))
    reason, message = await cause_of(of_role(postgresql, role, database=database))
    assert reason == Reason.TOO_MANY_CONNECTIONS
    assert "use a pooler" in message
    postgresql.execute(f"DROP DATABASE {database}")


async def test_a_server_without_a_connection_left_and_one_that_shuts_down() -> None:
    with running({**NO_FSYNC, "max_connections": "4", "superuser_reserved_connections": "3"}) as server:
        server.execute(f"CREATE ROLE orders LOGIN PASSWORD '{PASSWORD}'")
        first = await connect(of_role(server, "orders"))
        reason, message = await cause_of(of_role(server, "orders"))
        assert reason == Reason.TOO_MANY_CONNECTIONS
        assert "max_connections" in message
        os.kill(server.pid, signal.SIGTERM)  # it waits for those who are connected
        while True:
            reason, message = await cause_of(of_role(server, "orders"))
            if reason != Reason.TOO_MANY_CONNECTIONS:  # the signal has not arrived yet
                break
        assert reason == Reason.SERVER_STARTING
        await first.close()


# The network


@pytest.mark.parametrize("name", ["nothing.invalid", "nothing.invalid,nobody.invalid"])
async def test_an_unknown_host(postgresql: PostgreSQL, name: str) -> None:
    reason, message = await cause_of(postgresql.server(host=name))
    assert reason == Reason.HOST_NOT_FOUND
    assert f"{name}:{postgresql.port}" in message


async def test_a_port_at_which_nothing_listens(postgresql: PostgreSQL) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        reason, message = await cause_of(postgresql.server(port=port))
    assert reason == Reason.CONNECTION_REFUSED
    assert f"127.0.0.1:{port}" in message


async def test_a_host_that_does_not_answer(postgresql: PostgreSQL) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = postgresql.server(port=silent.getsockname()[1], limits=Limits(connect=1))
        reason, message = await cause_of(server)
    assert reason == Reason.CONNECTION_TIMED_OUT
    assert "NetworkPolicies" in message


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """The port of a server that answers so, whatever it is asked."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("mode", [TlsMode.DISABLE, TlsMode.REQUIRE])
async def test_what_is_not_postgresql(postgresql: PostgreSQL, mode: TlsMode) -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        reason, _ = await cause_of(postgresql.server(port=port, tls=Tls(mode)))
    assert reason == Reason.NOT_POSTGRESQL


async def test_a_pooler_that_refuses_our_settings_has_to_be_declared(pgbouncer: PgBouncer) -> None:
    reason, message = await cause_of(replace(pgbouncer.server(), pooler=False))
    assert reason == Reason.POOLER_NOT_DECLARED
    assert "set datastore.postgresql.pooler" in message


async def test_a_pooler_that_changes_servers_has_to_be_declared(postgresql: PostgreSQL) -> None:
    async def forget(connection: Connection) -> None:
        connection.pgconn.exec_(b"DEALLOCATE ALL")  # as another server's connection has prepared nothing

    pool = Pool(postgresql.server(), 1)
    statement = Statement(b"SELECT $1::text", ("x",))
    await pool.run(lambda connection: execute(connection, [statement]))
    await pool.run(forget)
    with pytest.raises(Unavailable) as caught:
        await pool.run(lambda connection: execute(connection, [statement]))
    reason, message = checked(caught.value)
    assert reason == Reason.POOLER_NOT_DECLARED
    assert "datastore.postgresql.pooler" in message
    await pool.close()


async def test_a_standby_takes_no_writes() -> None:
    with running(NO_FSYNC) as primary, running(NO_FSYNC, standby_of=primary) as standby:
        reason, message = await cause_of(standby.server())
        assert reason == Reason.READ_ONLY_SERVER
        assert "name the primary" in message
        primary.stop()
        both = primary.server(host=f"{primary.host},{standby.host}", port=standby.port)
        assert (await cause_of(both))[0] == Reason.READ_ONLY_SERVER  # says more than one that does not answer


# TLS and pg_hba.conf


@pytest.fixture(scope="module")
def tls_server(authorities: tuple[Authority, Authority]) -> Iterator[PostgreSQL]:
    with running_for_localhost(authorities[0], hba=HBA) as server:
        for role in ("encrypted", "certified", "unlisted"):
            server.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        server.execute("CREATE ROLE by_certificate LOGIN")
        yield server


@pytest.fixture
def tls(authorities: tuple[Authority, Authority], tmp_path: Path) -> dict[str, Tls]:
    """Ways to connect: what their names say is wrong with them."""
    signing, other = authorities
    (tmp_path / "ca").write_bytes(signing.certificate)
    (tmp_path / "other").write_bytes(other.certificate)
    (tmp_path / "nothing").write_bytes(b"no certificate")
    good = Tls(TlsMode.VERIFY_FULL, tmp_path / "ca")
    own, unknown = signing.issue("by_certificate").write(tmp_path, "own"), other.issue("x").write(tmp_path, "x")
    return {
        "good": good,
        "none": Tls(TlsMode.DISABLE),
        "unknown authority": replace(good, ca=tmp_path / "other"),
        "authority without a file": replace(good, ca=tmp_path / "absent"),
        "authority that is none": replace(good, ca=tmp_path / "nothing"),
        "of the role": replace(good, certificate=own[0], key=own[1]),
        "of another authority": replace(good, certificate=unknown[0], key=unknown[1]),
        "with the key of another": replace(good, certificate=own[0], key=unknown[1]),
        "without a key": replace(good, certificate=own[0], key=tmp_path / "absent"),
        "without a certificate's file": replace(good, certificate=tmp_path / "nothing", key=own[1]),
    }


TLS_CAUSES = [
    ("good", "encrypted", "127.0.0.1", Reason.CERTIFICATE_NAME_MISMATCH, "has another name"),
    ("unknown authority", "encrypted", "localhost", Reason.CERTIFICATE_NOT_TRUSTED, "caSecret"),
    ("authority without a file", "encrypted", "localhost", Reason.CA_UNUSABLE, "tls.caSecret"),
    ("authority that is none", "encrypted", "localhost", Reason.CA_UNUSABLE, "tls.caSecret"),
    ("good", "certified", "localhost", Reason.CLIENT_CERTIFICATE_REQUIRED, "tls.clientSecret"),
    ("good", "by_certificate", "localhost", Reason.CLIENT_CERTIFICATE_REQUIRED, "tls.clientSecret"),
    ("of the role", "nobody", "localhost", Reason.CLIENT_CERTIFICATE_REFUSED, 'not one of the role "nobody"'),
    ("of another authority", "certified", "localhost", Reason.CLIENT_CERTIFICATE_REFUSED, "does not trust"),
    ("with the key of another", "certified", "localhost", Reason.CLIENT_CERTIFICATE_UNUSABLE, "clientSecret"),
    ("without a key", "certified", "localhost", Reason.CLIENT_CERTIFICATE_UNUSABLE, "clientSecret"),
    ("without a certificate's file", "certified", "localhost", Reason.CLIENT_CERTIFICATE_UNUSABLE, "clientSecret"),
    ("good", "unlisted", "localhost", Reason.NO_PG_HBA_ENTRY, "from here with TLS"),
    ("none", "encrypted", "localhost", Reason.NO_PG_HBA_ENTRY, "set tls.mode"),
]


@pytest.mark.parametrize(
    ("way", "role", "host", "reason", "words"), TLS_CAUSES, ids=[f"{w}, {r}, {h}" for w, r, h, *_ in TLS_CAUSES]
)
async def test_causes_of_tls(
    tls_server: PostgreSQL, tls: dict[str, Tls], way: str, role: str, host: str, reason: Reason, words: str
) -> None:
    found = await cause_of(of_role(tls_server, role, host=host, tls=tls[way]))
    assert found[0] == reason, found
    assert words in found[1]


async def test_a_role_that_a_certificate_names_and_the_server_has_not(
    tls_server: PostgreSQL, authorities: tuple[Authority, Authority], tls: dict[str, Tls], tmp_path: Path
) -> None:
    certificate, key = authorities[0].issue("nobody").write(tmp_path, "nobody")
    way = replace(tls["good"], certificate=certificate, key=key)
    reason, message = await cause_of(of_role(tls_server, "nobody", "", host="localhost", tls=way))
    assert reason == Reason.ROLE_NOT_FOUND
    assert 'CREATE ROLE "nobody" LOGIN' in message


async def test_a_server_without_tls(postgresql: PostgreSQL) -> None:
    reason, message = await cause_of(postgresql.server(tls=Tls(TlsMode.REQUIRE)))
    assert reason == Reason.TLS_NOT_OFFERED
    assert "tls.mode" in message


# Databases that cannot be used


async def test_a_database_of_another_encoding(postgresql: PostgreSQL) -> None:
    name = f"latin_{secrets.token_hex(4)}"
    postgresql.execute(f"CREATE DATABASE {name} ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
    with pytest.raises(Misconfigured) as caught:
        await provision(postgresql.server(database=name), "orders", [PLAIN])
    reason, message = checked(caught.value)
    assert reason == Reason.WRONG_ENCODING
    assert "LATIN1" in message
    assert "UTF8" in caught.value.remedy
    postgresql.execute(f"DROP DATABASE {name}")


async def test_a_server_that_is_too_old(postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "OLDEST_SERVER", 990000)
    with pytest.raises(Misconfigured) as caught:
        await provision(postgresql.server(), "orders", [PLAIN])
    assert checked(caught.value)[0] == Reason.SERVER_TOO_OLD
    assert caught.value.remedy == "use 13 or later"


async def test_the_statements_in_the_messages_give_every_right_that_provisioning_needs(
    postgresql: PostgreSQL, role: str
) -> None:
    """An administrator types what the messages say, one after the other, until it works."""
    schema = f"test_{secrets.token_hex(6)}"
    server = of_role(postgresql, role)
    statements = await typed(postgresql, server, schema)
    assert statements == [f'GRANT CREATE ON DATABASE "postgres" TO "{role}"']
    postgresql.execute(f"DROP SCHEMA {schema} CASCADE")

    postgresql.execute(f"CREATE SCHEMA {schema}")  # an administrator may make it, too
    assert await typed(postgresql, server, schema) == [f'GRANT USAGE, CREATE ON SCHEMA "{schema}" TO "{role}"']
    postgresql.execute(f"DROP SCHEMA {schema} CASCADE")

    await provision(postgresql.server(), schema, [PLAIN])  # by another role
    statements = await typed(postgresql, server, schema)
    assert f'GRANT USAGE, CREATE ON SCHEMA "{schema}" TO "{role}"' in statements
    assert f'GRANT ALL ON ALL TABLES IN SCHEMA "{schema}" TO "{role}"' in statements
    postgresql.execute(f"DROP SCHEMA {schema} CASCADE")


async def typed(postgresql: PostgreSQL, server: Server, schema: str) -> list[str]:
    """What has to be typed until `server` can provision."""
    statements: list[str] = []
    while True:
        try:
            await provision(server, schema, [resource({"id": TEXT, "note": TEXT}, indexes=(("byNote", "note"),))])
        except Unavailable as error:
            reason, message = checked(error)
            assert reason == Reason.MISSING_RIGHT
            statement = message.rpartition("; ")[2]
            assert statement not in statements
            statements.append(statement)
            postgresql.execute(statement)
        else:
            return statements


async def test_a_right_that_was_taken_away_is_named(postgresql: PostgreSQL, role: str) -> None:
    schema = f"test_{secrets.token_hex(6)}"
    await provision(postgresql.server(), schema, [PLAIN])
    pool = Pool(of_role(postgresql, role), 1, schema=schema)
    read = [Statement(f'SELECT 1 FROM "{schema}".orders'.encode())]
    statements = []
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            await pool.run(lambda connection: execute(connection, read))
        statements.append(checked(caught.value)[1].rpartition("; ")[2])
        postgresql.execute(statements[-1])
    await pool.run(lambda connection: execute(connection, read))
    assert [statement.split(" ON ")[1] for statement in statements] == [
        f'SCHEMA "{schema}" TO "{role}"',
        f'ALL TABLES IN SCHEMA "{schema}" TO "{role}"',
    ]
    await pool.close()
    postgresql.execute(f"DROP SCHEMA {schema} CASCADE")


async def test_a_server_whose_messages_are_not_in_english_is_quoted(postgresql: PostgreSQL) -> None:
    said = "SFATAL\0C28P01\0MPasswort-Authentifizierung für Benutzer fehlgeschlagen: a password\0\0".encode()
    async with answering(b"E" + (len(said) + 4).to_bytes(4, "big") + said) as port:
        reason, message = await cause_of(postgresql.server(port=port))
    assert reason == Reason.CONNECTION_FAILED
    assert "Passwort-Authentifizierung" in message


def test_what_cannot_be_played_here_is_known_by_its_text() -> None:
    texts = {
        "connection to server at 10.0.0.1 failed: No route to host": Reason.HOST_UNREACHABLE,
        'connection failed: FATAL:  PAM authentication failed for user "r"': Reason.TOKEN_REFUSED,
        "connection failed: FATAL:  the database system is starting up": Reason.SERVER_STARTING,
        "connection failed: FATAL:  no more connections allowed (max_client_conn)": Reason.TOO_MANY_CONNECTIONS,
        "connection failed: FATAL:  pg_hba.conf rejects connection for host x, SSL encryption": Reason.NO_PG_HBA_ENTRY,
    }
    for text, reason in texts.items():
        assert of_connection(psycopg.OperationalError(text), Login("r", "d", where="h:1"), "")[0] == reason
