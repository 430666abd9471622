"""Which servers a resource names, and how they are reached."""

from pathlib import Path
from typing import Any

import pytest

from fairlead_contract.spec.bindings import PostgreSql, TlsMode
from fairlead_workload.credentials import Credentials, Secrets, local_secrets, mounted_secrets
from fairlead_workload.errors import Misconfigured
from fairlead_workload.stores.postgresql.binding import BoundServers, bound_servers

SECRET = {"name": "shop-db"}
ENVIRONMENT = {"PGUSER": "shop", "PGPASSWORD": "a password"}


FROM_ENVIRONMENT = local_secrets({}, ENVIRONMENT)


def bound(secrets: Secrets = FROM_ENVIRONMENT, /, **fields: Any) -> BoundServers:
    spec = {"host": "db", "database": "shop", "credentialsSecret": SECRET} | fields
    return bound_servers(PostgreSql.model_validate(spec), secrets, {"db-at-home": ("127.0.0.1", 15432)})


def test_one_server_does_everything_when_nothing_else_is_named() -> None:
    found = bound()
    assert (found.primary, found.replica) == (found.direct, None)
    assert found.listen == found.primary
    assert (found.primary.host, found.primary.port, found.primary.tls.mode) == ("db", 5432, TlsMode.VERIFY_FULL)


def test_limits_and_a_replica_come_from_the_resource() -> None:
    found = bound(port=6000, statementTimeout="3s", lockTimeout="500ms", readReplica={"host": "db-ro"})
    assert (found.primary.limits.statement, found.primary.limits.lock) == (3.0, 0.5)
    assert found.replica is not None
    assert (found.replica.host, found.replica.port) == ("db-ro", 6000)


def test_behind_a_pooler_nothing_listens_unless_the_server_itself_is_named() -> None:
    pooled = bound(pooler={})
    assert (pooled.primary.pooler, pooled.direct, pooled.listen) == (True, pooled.primary, None)
    named = bound(port=6432, pooler={"direct": {"host": "primary"}})
    assert named.listen == named.direct
    assert (named.direct.host, named.direct.port, named.direct.pooler) == ("primary", 5432, False)


def test_a_host_may_be_elsewhere() -> None:
    found = bound(host="db-at-home", readReplica={"host": "db-ro"})
    assert (found.primary.host, found.primary.address, found.primary.port) == ("db-at-home", "127.0.0.1", 15432)
    assert found.replica is not None
    assert (found.replica.host, found.replica.address) == ("db-ro", "")


def test_the_secrets_of_a_pod_are_in_the_folders_of_their_roles(tmp_path: Path) -> None:
    folder = tmp_path / "datastore"
    folder.mkdir()
    (folder / "username").write_text("shop")
    (folder / "password").write_text("a password")
    tls = {"caSecret": {"name": "ca"}, "clientSecret": {"name": "pair"}}
    found = bound(mounted_secrets(tmp_path), tls=tls).primary
    assert found.credentials() == Credentials("shop", "a password")
    assert found.tls.ca == tmp_path / "datastore-ca" / "ca.crt"
    assert found.tls.certificate == tmp_path / "datastore-client" / "tls.crt"
    assert found.tls.key == tmp_path / "datastore-client" / "tls.key"


@pytest.mark.parametrize(
    ("fields", "path", "remedy"),
    [
        ({}, "credentialsSecret", "add --secret shop-db=FOLDER, or set PGUSER and PGPASSWORD"),
        ({"tls": {"caSecret": {"name": "ca"}}}, "tls.caSecret", "add --secret ca=FOLDER"),
        ({"tls": {"clientSecret": {"name": "pair"}}}, "tls.clientSecret", "add --secret pair=FOLDER"),
    ],
)
def test_a_secret_without_a_folder_is_named_by_its_field(fields: dict[str, Any], path: str, remedy: str) -> None:
    environment = ENVIRONMENT if path != "credentialsSecret" else {}
    with pytest.raises(Misconfigured) as caught:
        bound(local_secrets({}, environment), **fields)
    assert (caught.value.path, caught.value.remedy) == (f"datastore.postgresql.{path}", remedy)


def test_who_has_a_certificate_needs_no_password(tmp_path: Path) -> None:
    (tmp_path / "username").write_text("shop\n")
    secrets = local_secrets({"shop-db": tmp_path, "pair": tmp_path}, {})
    found = bound(secrets, authentication="Certificate", tls={"clientSecret": {"name": "pair"}})
    assert found.primary.credentials() == Credentials("shop", "")


def test_each_server_gets_tokens_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    domain = "eu-central-1.rds.amazonaws.com"
    found = bound(
        local_secrets({}, {"PGUSER": "shop"}),
        host=f"db.{domain}",
        authentication="AwsIam",
        readReplica={"host": f"ro.{domain}"},
    )
    assert found.primary.credentials().password.startswith(f"db.{domain}:5432/?Action=connect&DBUser=shop&")
    assert found.replica is not None
    assert found.replica.credentials().password.startswith(f"ro.{domain}:5432/?")
