"""Tokens for databases of AWS: signed by the identity, for one host, port and user."""

from urllib.parse import parse_qs, urlsplit

import botocore.session
import pytest

from fairlead_workload.aws.database_tokens import tokens
from fairlead_workload.credentials import Credentials
from fairlead_workload.errors import Misconfigured, Unavailable

HOST = "shop.cluster-abc.eu-central-1.rds.amazonaws.com"
PATH = "datastore.postgresql"


def user() -> Credentials:
    return Credentials("shop&co", "")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_token_is_what_the_clients_of_aws_make() -> None:
    found = tokens(user, host=HOST, port=5433, path=PATH)()
    client = botocore.session.get_session().create_client("rds", region_name="eu-central-1")
    theirs = client.generate_db_auth_token(DBHostname=HOST, Port=5433, DBUsername="shop&co")
    ours, expected = parse_qs(urlsplit(f"//{found.password}").query), parse_qs(urlsplit(f"//{theirs}").query)
    assert found.username == "shop&co"
    assert found.password.startswith(f"{HOST}:5433/?")
    timed = {"X-Amz-Date", "X-Amz-Signature"}  # the signature is of the time, too
    assert {name: ours[name] for name in ours if name not in timed} == {
        name: expected[name] for name in expected if name not in timed
    }
    if ours["X-Amz-Date"] == expected["X-Amz-Date"]:
        assert ours["X-Amz-Signature"] == expected["X-Amz-Signature"]


def test_a_name_of_ones_own_takes_the_region_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured) as caught:
        tokens(user, host="db.shop.svc", port=5432, path=PATH)
    assert (caught.value.path, "aws.region" in caught.value.remedy) == (f"{PATH}.host", True)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert "%2Feu-west-3%2Frds-db%2F" in tokens(user, host="db.shop.svc", port=5432, path=PATH)().password


def test_without_an_identity_it_says_so_and_shows_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(Unavailable, match="there is no AWS identity"):
        tokens(user, host=HOST, port=5432, path=PATH)()
