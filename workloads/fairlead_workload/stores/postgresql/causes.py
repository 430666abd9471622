"""Why PostgreSQL cannot be used, in words: a stable reason, what is wrong, and a way out.

PostgreSQL has no SQLSTATE for a connection that fails, so its text decides. A server whose messages are not in English
is quoted. Of several hosts or addresses the one that came furthest is reported, so the table is in that order.
Passwords are in no message, and addresses of pods neither, because each pod has another.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

import psycopg

from fairlead_workload import credentials
from fairlead_workload.stores.relational.layout import quoted


class Reason(StrEnum):
    """Stable; docs/postgresql.md has a row for each."""

    # The connection.
    WRONG_PASSWORD = "WrongPassword"  # noqa: S105
    ROLE_NOT_FOUND = "RoleNotFound"
    LOGIN_NOT_PERMITTED = "LoginNotPermitted"
    TOKEN_REFUSED = "TokenRefused"  # noqa: S105
    CREDENTIALS_UNREADABLE = credentials.CREDENTIALS_UNREADABLE
    NO_AWS_IDENTITY = credentials.NO_AWS_IDENTITY
    DATABASE_NOT_FOUND = "DatabaseNotFound"
    NO_PG_HBA_ENTRY = "NoPgHbaEntry"
    HOST_NOT_FOUND = "HostNotFound"
    HOST_UNREACHABLE = "HostUnreachable"
    CONNECTION_REFUSED = "ConnectionRefused"
    CONNECTION_TIMED_OUT = "ConnectionTimedOut"
    CONNECTION_FAILED = "ConnectionFailed"
    NOT_POSTGRESQL = "NotPostgreSQL"
    SERVER_STARTING = "ServerStarting"
    TOO_MANY_CONNECTIONS = "TooManyConnections"
    POOLER_NOT_DECLARED = "PoolerNotDeclared"
    READ_ONLY_SERVER = "ReadOnlyServer"
    # TLS.
    TLS_NOT_OFFERED = "TlsNotOffered"
    CERTIFICATE_NAME_MISMATCH = "CertificateNameMismatch"
    CERTIFICATE_NOT_TRUSTED = "CertificateNotTrusted"
    CA_UNUSABLE = "CaUnusable"
    CLIENT_CERTIFICATE_REQUIRED = "ClientCertificateRequired"
    CLIENT_CERTIFICATE_REFUSED = "ClientCertificateRefused"
    CLIENT_CERTIFICATE_UNUSABLE = "ClientCertificateUnusable"
    # The database.
    MISSING_RIGHT = "MissingRight"
    NOT_PROVISIONED = "NotProvisioned"
    SERVER_TOO_OLD = "ServerTooOld"
    WRONG_ENCODING = "WrongEncoding"
    DISK_FULL = "DiskFull"
    # What provisioning and teardown find.
    PROVISIONED = "Provisioned"
    TOO_FEW_CONNECTIONS = "TooFewConnections"
    INCOMPATIBLE_CHANGE = "IncompatibleChange"
    SCHEMA_NOT_OURS = "SchemaNotOurs"
    STORE_CHANGED = "StoreChanged"
    SCHEMA_IN_USE = "SchemaInUse"
    DELETED = "Deleted"


@dataclass(frozen=True, slots=True)
class Login:
    """Who does something where, for messages; empty is not known."""

    role: str = ""
    database: str = ""
    schema: str = ""
    where: str = ""  # HOST:PORT

    def names(self) -> dict[str, str]:
        """What words can have."""
        return {"role": quoted(self.role), "database": quoted(self.database), "where": self.where}


@dataclass(frozen=True, slots=True)
class _Failure:
    """One kind of failure: what its text has, and the words for it, with the names of a `Login`."""

    pattern: str
    reason: Reason
    what: str
    remedy: str


_SECRET = "in the Secret that credentialsSecret names"  # noqa: S105
_NO_TLS = "this connection has no TLS; where the entry is of the kind hostssl, set tls.mode to VerifyFull"
_FAILURES = (
    _Failure(
        "certificate authentication failed for user",
        Reason.CLIENT_CERTIFICATE_REFUSED,
        "the client certificate is not one of the role {role}",
        "have one issued whose common name is the role, or map the name in pg_ident.conf",
    ),
    _Failure(
        "PAM authentication failed for user",  # what RDS asks for tokens
        Reason.TOKEN_REFUSED,
        "PostgreSQL at {where} refuses the token of the role {role}",
        "GRANT rds_iam TO {role}, and allow rds-db:connect for it to the pod's AWS identity",
    ),
    _Failure(
        "authentication failed for user|no password supplied|empty password",
        Reason.WRONG_PASSWORD,
        "PostgreSQL at {where} refuses the password of the role {role}, or has no such role",
        f"correct username and password {_SECRET}, or the role: ALTER ROLE {{role}} PASSWORD '...'",
    ),
    _Failure(
        'role ".*" does not exist',
        Reason.ROLE_NOT_FOUND,
        "PostgreSQL at {where} has no role {role}",
        f"correct username {_SECRET}, or make it: CREATE ROLE {{role}} LOGIN",
    ),
    _Failure(
        "is not permitted to log in",
        Reason.LOGIN_NOT_PERMITTED,
        "the role {role} may not log in",
        "ALTER ROLE {role} LOGIN",
    ),
    _Failure(
        'database ".*" does not exist|no such database',
        Reason.DATABASE_NOT_FOUND,
        "PostgreSQL at {where} has no database {database}",
        "correct datastore.postgresql.database, or make it: CREATE DATABASE {database} OWNER {role} ENCODING 'UTF8'",
    ),
    _Failure(
        "permission denied for database",
        Reason.MISSING_RIGHT,
        "the role {role} may not connect to the database {database}",
        "GRANT CONNECT ON DATABASE {database} TO {role}",
    ),
    _Failure(
        "(no pg_hba.conf entry|pg_hba.conf rejects).*no encryption",
        Reason.NO_PG_HBA_ENTRY,
        "no entry of pg_hba.conf lets the role {role} into the database {database} from here",
        f"add one for the addresses of the pods; {_NO_TLS}",
    ),
    _Failure(
        "no pg_hba.conf entry|pg_hba.conf rejects",
        Reason.NO_PG_HBA_ENTRY,
        "no entry of pg_hba.conf lets the role {role} into the database {database} from here with TLS",
        "add one of the kind hostssl for the addresses of the pods",
    ),
    _Failure(
        "requires a valid client certificate|alert certificate required",
        Reason.CLIENT_CERTIFICATE_REQUIRED,
        "PostgreSQL at {where} asks for a client certificate",
        "name a Secret with tls.crt and tls.key in datastore.postgresql.tls.clientSecret",
    ),
    _Failure(
        "too many clients|connection slots are reserved|too many connections|no more connections allowed",
        Reason.TOO_MANY_CONNECTIONS,
        "PostgreSQL at {where} has no connection left for the role {role} in the database {database}",
        "lower pool.max or scaling.max, raise max_connections or the limit of the role or database, or use a pooler",
    ),
    _Failure(
        "is starting up|is shutting down|in recovery mode|not yet accepting|not accepting connections",
        Reason.SERVER_STARTING,
        "PostgreSQL at {where} starts, stops or recovers, and takes no connections now",
        "wait; if it stays, look at the server's log",
    ),
    _Failure(
        "unsupported startup parameter",
        Reason.POOLER_NOT_DECLARED,
        "PostgreSQL at {where} is a pooler and is not declared as one",
        "set datastore.postgresql.pooler",
    ),
    _Failure(
        "session is read-only|in hot standby mode",
        Reason.READ_ONLY_SERVER,
        "PostgreSQL at {where} takes no writes, as a standby does",
        "name the primary in datastore.postgresql.host, and the standby in readReplica",
    ),
    _Failure(
        "server does not support SSL",
        Reason.TLS_NOT_OFFERED,
        "PostgreSQL at {where} offers no TLS, and datastore.postgresql.tls.mode asks for it",
        "turn ssl on in the server, or set tls.mode to Disable in a network that you trust",
    ),
    _Failure(
        "does not match host name|could not get server's host name",
        Reason.CERTIFICATE_NAME_MISMATCH,
        "the certificate of {where} has another name",
        "set host to a name that is in the certificate, or have one issued for this name",
    ),
    _Failure(
        "certificate verify failed",
        Reason.CERTIFICATE_NOT_TRUSTED,
        "the certificate of {where} is not signed by a known authority, or is not valid now",
        "name a Secret with its authority in ca.crt in datastore.postgresql.tls.caSecret, or renew the certificate",
    ),
    _Failure(
        "root certificate|sslrootcert",
        Reason.CA_UNUSABLE,
        "the authorities' certificates to check {where} with cannot be read",
        "have certificates in PEM in ca.crt of the Secret that tls.caSecret names",
    ),
    _Failure(
        "alert (unknown ca|bad certificate|certificate|unsupported certificate|decrypt error|access denied)",
        Reason.CLIENT_CERTIFICATE_REFUSED,
        "PostgreSQL at {where} does not trust the client certificate",
        "have it issued by an authority of the server's ssl_ca_file, and renew it before it expires",
    ),
    _Failure(
        "private key|certificate file|could not (load|read|open) certificate",
        Reason.CLIENT_CERTIFICATE_UNUSABLE,
        "the client certificate or its key cannot be read",
        "have tls.crt and the key that belongs to it, in PEM, in the Secret that tls.clientSecret names",
    ),
    _Failure(
        "invalid response|unsupported frontend protocol|unexpected response|expected authentication request",
        Reason.NOT_POSTGRESQL,
        "what answers at {where} is not PostgreSQL",
        "correct host and port in datastore.postgresql",
    ),
    _Failure(
        "timeout expired|timed out",
        Reason.CONNECTION_TIMED_OUT,
        "PostgreSQL at {where} does not answer",
        "see that the server runs, and that NetworkPolicies and firewalls on the way let the pods through",
    ),
    _Failure(
        "Connection refused",
        Reason.CONNECTION_REFUSED,
        "nothing listens at {where}",
        "correct host and port in datastore.postgresql, or start the server, with listen_addresses for the network",
    ),
    _Failure(
        "No route to host|Network is unreachable|Host is unreachable",
        Reason.HOST_UNREACHABLE,
        "no network leads to {where}",
        "correct host in datastore.postgresql, or the routes of the cluster",
    ),
    _Failure(
        "failed to resolve host|could not translate host name",
        Reason.HOST_NOT_FOUND,
        "the name of {where} is not known",
        "correct host in datastore.postgresql, or the DNS of the cluster",
    ),
)
_PATTERNS = tuple((re.compile(each.pattern, re.IGNORECASE), each) for each in _FAILURES)
_DENIED = re.compile(r"(?:permission denied for|must be owner of) (\w+)(?: (.+))?")


def of_connection(error: Exception, login: Login, password: str) -> tuple[Reason, str]:
    """Why a connection could not be made."""
    text = str(error)
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        text += "\ntimeout expired"
    for pattern, failure in _PATTERNS:
        if pattern.search(text):
            return failure.reason, f"{failure.what}; {failure.remedy}".format(**login.names())
    said = text.partition("\n")[0]
    said = said.replace(password, "***") if password else said
    return Reason.CONNECTION_FAILED, f"PostgreSQL at {login.where} cannot be reached: {said}; look at the server's log"


def missing_right(said: str, login: Login) -> str:
    """What a role lacks for a statement, by PostgreSQL's message, and what an administrator types to give it."""
    role = quoted(login.role) if login.role else "the role"
    found = _DENIED.search(said)
    kind, name = (found[1], found[2] or "") if found else ("", "")
    schema = quoted(login.schema) if login.schema else "the schema of the ApiService"
    if said.startswith("must be owner"):
        table = f"TABLE {schema}.{quoted(name)}" if kind in ("table", "relation", "index") else f"SCHEMA {schema}"
        remedy = f"ALTER {table} OWNER TO {role}"
    elif kind == "database":
        remedy = f"GRANT CREATE ON DATABASE {quoted(login.database or name)} TO {role}"
    elif kind == "schema":
        remedy = f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}"
    elif kind:
        remedy = f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}"
    else:
        remedy = f"give {role} the rights that docs/postgresql.md lists"
    return f"{role} lacks a right (PostgreSQL says: {said}); {remedy}"
