"""What looks like a credential goes; what says what is wrong stays."""

import subprocess
import sys

import pytest

from fairlead_operator.diagnosis.redaction import redact

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nAB==\n-----END RSA PRIVATE KEY-----"
HIDDEN = {
    "a URL": ("cannot reach postgresql://shop:hunter2@db:5432/shop", "cannot reach postgresql://***@db:5432/shop"),
    "a URL with signs in its password": ("amqp://a:hun/ter@2@host/x failed", "amqp://***@host/x failed"),
    "a connection string": (
        "host=db user=shop password=hunter2 sslmode=off",
        "host=db user=shop password=*** sslmode=off",
    ),
    "a quoted value": ("password='hunter 2', user=shop", "password=***, user=shop"),
    "JSON": ('{"user": "shop", "password": "hun\\nter2"}', '{"user": "shop", "password": ***}'),
    "a variable": ("PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"),
    "an open quote": ("password='hunter2 and more", "password=***"),
    "a query": ("GET https://x/y?access_token=hunter2&a=b", "GET https://x/y?access_token=***&a=b"),
    "a header": ("Authorization: Bearer hunter2.x", "Authorization: Bearer ***"),
    "basic authentication": ("sent Basic aHVudGVyMg==", "sent Basic ***"),
    "a cloud key": ("AKIAHUNTER2EXAMPLE01 may not sqs:SendMessage", "*** may not sqs:SendMessage"),
    "a cloud secret": ("aws_secret_access_key = hunter2/x+y", "aws_secret_access_key = ***"),
    "a JWT": ("got eyJhbGciOi.eyJzdWIi.c2ln from", "got *** from"),
    "a part of a JWT": ("no dots in eyJhbGciOi-eyJzdWIi", "no dots in ***"),
    "a private key": (f"cannot read {KEY} at line 1", "cannot read *** at line 1"),
    "a private key that is cut": ("read -----BEGIN PRIVATE KEY-----\nMII", "read ***"),
}
STAYS = (
    'password authentication failed for user "shop"',
    "Secret shop-db is missing",
    "datastore.postgresql.host: cannot be resolved; set another one",
    "relation orders has 3 columns, expected 4",
    "AccessDenied: arn:aws:sqs:eu-central-1:1:shop may not be read",
    "https://id.example.com/keys answers 503",
    "the token has expired",
)


@pytest.mark.parametrize(("said", "left"), HIDDEN.values(), ids=HIDDEN)
def test_what_looks_like_a_credential_goes(said: str, left: str) -> None:
    assert redact(said) == left


@pytest.mark.parametrize("said", STAYS)
def test_what_is_wrong_is_still_said(said: str) -> None:
    assert redact(said) == said


# Much more than all containers of a pod may say: where the time grows with the square of the length, it takes minutes.
LENGTH = 200_000
CPU_SECONDS = 5
REDACT = f"""
import resource, sys
from fairlead_operator.diagnosis.redaction import redact
resource.setrlimit(resource.RLIMIT_CPU, ({CPU_SECONDS}, {CPU_SECONDS}))
redact((sys.argv[1] * {LENGTH})[:{LENGTH}])
"""


@pytest.mark.parametrize(
    "part", ["a", "password=", "password", "://", "x://@", "eyJ.", "eyJ-", "-----BEGIN ", "secret'", "Basic "]
)
def test_no_text_takes_long(part: str) -> None:
    done = subprocess.run([sys.executable, "-c", REDACT, part], check=False)
    assert done.returncode == 0, "the system ends a process that uses more than its time"
