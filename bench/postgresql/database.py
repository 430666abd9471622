"""The PostgreSQL server under test, and the documents in it: a schema for Fairlead, and one for each peer.

It runs where this process runs, which is the core of the load, with the durability of its defaults: a commit is
synced. Nothing runs by itself during a measurement: no checkpoint falls due, and what autovacuum would do is done
after each run that has written.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import yaml
from tests.servers.postgresql import PASSWORD, USER, PostgreSQL
from tests.servers.processes import StartError

from bench.errors import Failed
from bench.postgresql import documents
from fairlead_cli.run.embedded import embed
from fairlead_contract.runtime import RuntimeDocument, derive
from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.bindings import TlsMode
from fairlead_workload.credentials import Credentials
from fairlead_workload.stores.base import Mutation, Unit
from fairlead_workload.stores.postgresql import PostgresqlStore, Server, Tls, provision

SERVICE = Path(__file__).with_name("service.yaml")
PEER_TABLES = Path(__file__).parents[1] / "peers" / "schema.sql"
FAIRLEAD, B, C = "bench_articles", "bench_b", "bench_c"  # schemas; the first is that of bench/articles
PEERS = (B, C)
FILLED = 1000  # documents at a time
SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "max_connections": "100",
}


@dataclass(frozen=True, slots=True)
class Address:
    """How a process reaches a schema; what it is given of the database."""

    host: str
    port: int
    user: str
    password: str
    schema: str
    database: str = "postgres"

    def write(self, file: Path) -> None:
        """Put it into a file that its owner alone may read."""
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> "Address":
        return cls(**json.loads(file.read_text()))

    @property
    def url(self) -> str:
        """For drivers that take a URL; statements find the tables of the schema."""
        place = f"{self.host}:{self.port}/{self.database}"
        return f"postgresql://{self.user}:{quote(self.password)}@{place}?search_path={self.schema}&sslmode=disable"

    @property
    def server(self) -> Server:
        """For our store."""
        return Server(
            self.host, self.database, lambda: Credentials(self.user, self.password), self.port, Tls(TlsMode.DISABLE)
        )


def service() -> RuntimeDocument:
    """The service that is measured. Nothing is published, so any queue will do, and no broker has to run."""
    resource = ApiService.model_validate(yaml.safe_load(SERVICE.read_text()))
    return derive(resource).model_copy(update={"queue": embed(resource).queue})


class Database:
    """The server with its schemas."""

    def __init__(self, server: PostgreSQL) -> None:
        self._server = server

    def address(self, schema: str) -> Address:
        return Address(self._server.host, self._server.port, USER, PASSWORD, schema)

    def fill(self, numbers: Iterable[int] = range(documents.COUNT)) -> None:
        """Make the tables of every side, with the same documents."""
        made = list(map(documents.document, numbers))
        asyncio.run(_fill_ours(self.address(FAIRLEAD), made))
        rows = json.dumps(made)
        with self._server.connect() as connection:
            for schema in PEERS:
                connection.execute(f"CREATE SCHEMA {schema}")
                connection.execute(f"SET search_path = {schema}")
                connection.execute(PEER_TABLES.read_bytes())
                connection.execute(
                    b"INSERT INTO articles SELECT (d).* FROM (SELECT jsonb_populate_record(NULL::articles,"
                    b" row || '{\"version\": 1}') AS d FROM jsonb_array_elements(%s::jsonb) AS row) AS t",
                    (rows,),
                )
        for schema in (FAIRLEAD, *PEERS):
            self.tidy(schema)

    def tidy(self, schema: str) -> None:
        """Forget the events that were written, and remove what updates have left."""
        if schema == FAIRLEAD:
            emptied = f"TRUNCATE {schema}._outbox; DELETE FROM {schema}._records WHERE space IN ('inbox', 'operation')"
            vacuumed = f"VACUUM ANALYZE {schema}.articles, {schema}._records"
        else:
            emptied = f"TRUNCATE {schema}.outbox, {schema}.inbox, {schema}.operations"
            vacuumed = f"VACUUM ANALYZE {schema}.articles"
        for sql in (emptied, vacuumed):
            self._server.execute(sql)

    def events(self, schema: str) -> int:
        """How many events are in the outbox."""
        [(count,)] = self._server.execute(
            f"SELECT count(*) FROM {schema}.{'_outbox' if schema == FAIRLEAD else 'outbox'}"
        )
        return int(count)

    def version(self) -> str:
        [(version,)] = self._server.execute("SHOW server_version")
        return str(version)


async def _fill_ours(address: Address, made: Sequence[documents.Document]) -> None:
    resources = service().api.resources
    await provision(address.server, address.schema, resources)
    store = await PostgresqlStore.open(address.server, resources, schema=address.schema)
    try:
        for start in range(0, len(made), FILLED):
            units = [Unit((Mutation("articles", (each["id"],), each),)) for each in made[start : start + FILLED]]
            await asyncio.gather(*map(store.commit, units))
    finally:
        await store.close()


@contextmanager
def running() -> Iterator[Database]:
    """A server with its documents, gone in the end. Raises Failed."""
    try:
        server = PostgreSQL(SETTINGS)
    except StartError as error:
        raise Failed(str(error)) from None
    try:
        server.start()
        database = Database(server)
        database.fill()
        yield database
    except StartError as error:
        raise Failed(str(error)) from None
    finally:
        server.close()
