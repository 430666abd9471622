"""What an ApiService has on PostgreSQL: its schema, and the servers that `datastore.postgresql` names.

Without a pooler the server itself is asked for everything. Behind one, provisioning and the listener go to the server
directly, if the resource names it; then commits of other pods are heard of, not only found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from fairlead_contract.names import SecretFolder
from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.bindings import PostgreSql, ServerAuthentication
from fairlead_contract.spec.bindings import Tls as TlsSpec
from fairlead_contract.spec.model import seconds
from fairlead_workload.aws.database_tokens import tokens
from fairlead_workload.credentials import Secrets
from fairlead_workload.stores.postgresql.connections import Limits, Server, Tls
from fairlead_workload.stores.postgresql.dialect import schema_name

PATH = "datastore.postgresql"
PORT = 5432
NOWHERE_ELSE: Mapping[str, tuple[str, int]] = MappingProxyType({})
_VARIABLES = ("PGUSER", "PGPASSWORD")  # of libpq


@dataclass(frozen=True, slots=True)
class BoundServers:
    """`primary` serves; `direct` is the server itself where it is known, for provisioning and to `listen`.

    `pool_size`: the most connections to each that serves.
    """

    primary: Server
    direct: Server
    replica: Server | None
    listen: Server | None
    pool_size: int


@dataclass(frozen=True, slots=True)
class Owner:
    """An ApiService; without a name nobody in particular, as in tests."""

    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Binding:
    """The servers of an ApiService, and its schema there, which is to be that of `owner`."""

    servers: BoundServers
    schema: str
    owner: Owner


def binding_of(
    document: RuntimeDocument, secrets: Secrets, addresses: Mapping[str, tuple[str, int]] = NOWHERE_ELSE
) -> Binding:
    """What the ApiService of `document`, whose datastore is PostgreSQL, is bound to. Raises `Misconfigured`."""
    spec = document.datastore.postgresql
    assert spec is not None  # noqa: S101 - the contract demands it for this type
    namespace, name = document.namespace, document.name
    servers = bound_servers(spec, secrets, addresses)
    return Binding(servers, schema_name(namespace, name), Owner(namespace, name))


def bound_servers(spec: PostgreSql, secrets: Secrets, addresses: Mapping[str, tuple[str, int]]) -> BoundServers:
    """The servers of `spec`; `addresses` says where hosts are, if not where their names lead.

    Raises `Misconfigured` for a Secret that has no folder.
    """
    primary = _primary(spec, secrets)
    replica, direct, listen = None, primary, None if spec.pooler is not None else primary
    if spec.read_replica is not None:
        replica = replace(primary, host=spec.read_replica.host, port=spec.read_replica.port or primary.port)
    if spec.pooler is not None and spec.pooler.direct is not None:
        server = spec.pooler.direct
        direct = listen = replace(primary, host=server.host, port=server.port or PORT, pooler=False)

    def found(server: Server) -> Server:
        return _at(_with_tokens(server, spec), addresses)

    followed, heard = replica and found(replica), listen and found(listen)
    return BoundServers(found(primary), found(direct), followed, heard, spec.pool.max)


def _with_tokens(server: Server, spec: PostgreSql) -> Server:
    """A token is for one host and port."""
    if spec.authentication is not ServerAuthentication.AWS_IAM:
        return server
    return replace(server, credentials=tokens(server.credentials, host=server.host, port=server.port, path=PATH))


def _at(server: Server, addresses: Mapping[str, tuple[str, int]]) -> Server:
    if server.host not in addresses:
        return server
    address, port = addresses[server.host]
    return replace(server, address=address, port=port)


def _primary(spec: PostgreSql, secrets: Secrets) -> Server:
    credentials = secrets.credentials(
        SecretFolder.DATASTORE,
        spec.credentials_secret,
        path=f"{PATH}.credentialsSecret",
        variables=_VARIABLES,
        passwordless=spec.authentication is not ServerAuthentication.PASSWORD,
    )
    return Server(
        host=spec.host,
        port=spec.port or PORT,
        database=spec.database,
        credentials=credentials,
        tls=_tls(spec.tls, secrets),
        limits=Limits(statement=seconds(spec.statement_timeout), lock=seconds(spec.lock_timeout)),
        pooler=spec.pooler is not None,
    )


def _tls(spec: TlsSpec, secrets: Secrets) -> Tls:
    authority: Path | None = None
    certificate: Path | None = None
    if spec.ca_secret is not None:
        authority = secrets.folder(SecretFolder.DATASTORE_CA, spec.ca_secret, path=f"{PATH}.tls.caSecret")
    if spec.client_secret is not None:
        certificate = secrets.folder(SecretFolder.DATASTORE_CLIENT, spec.client_secret, path=f"{PATH}.tls.clientSecret")
    return Tls(
        mode=spec.mode,
        ca=authority and authority / "ca.crt",
        certificate=certificate and certificate / "tls.crt",
        key=certificate and certificate / "tls.key",
    )
