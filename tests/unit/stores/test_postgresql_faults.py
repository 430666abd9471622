"""What a failure of PostgreSQL means: a table of SQLSTATEs, and what is left out of messages."""

import psycopg
import pytest

from fairlead_workload.errors import DiskFull, Refused, Unavailable
from fairlead_workload.stores.postgresql import faults
from fairlead_workload.stores.postgresql.causes import Login, Reason
from fairlead_workload.stores.postgresql.faults import ConnectionLost, Contended, ReadOnly


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("40001", Contended), ("40P01", Contended), ("55P03", Contended), ("23505", Contended),
        ("25006", ReadOnly), ("57P01", ConnectionLost), ("25P03", ConnectionLost), ("53100", DiskFull),
        ("57014", Unavailable), ("53300", Unavailable), ("08006", Unavailable), ("28P01", Unavailable),
        ("3D000", Unavailable), ("42501", Unavailable), ("42P01", Unavailable), ("XX001", Unavailable),
        ("26000", Unavailable), ("42P05", Unavailable),
        ("22P05", Refused), ("22003", Refused), ("23502", Refused), ("54000", Refused),
    ],
)  # fmt: skip
def test_states(state: str, expected: type[Exception]) -> None:
    error = psycopg.errors.lookup(state)("what happened\nDETAIL: Key (id)=(private) exists")
    found = faults.converted(error)
    assert type(found) is expected
    assert "private" not in str(found)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("25006", Reason.READ_ONLY_SERVER), ("53100", Reason.DISK_FULL), ("53300", Reason.TOO_MANY_CONNECTIONS),
        ("26000", Reason.POOLER_NOT_DECLARED), ("42501", Reason.MISSING_RIGHT), ("42P01", Reason.NOT_PROVISIONED),
        ("42703", Reason.NOT_PROVISIONED), ("3F000", Reason.NOT_PROVISIONED), ("57014", ""),
    ],
)  # fmt: skip
def test_what_somebody_has_to_correct_has_a_reason(state: str, reason: str) -> None:
    found = faults.converted(psycopg.errors.lookup(state)("what happened"))
    assert isinstance(found, Unavailable)
    assert found.reason == reason


def test_only_a_lock_that_was_waited_for_is_not_tried_again_at_once() -> None:
    found = [faults.converted(psycopg.errors.lookup(state)("")) for state in ("55P03", "40P01")]
    assert [isinstance(error, Contended) and error.waited for error in found] == [True, False]


def test_a_defect_of_ours_passes_unchanged() -> None:
    error = psycopg.errors.lookup("42601")("syntax error")
    assert faults.converted(error) is error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.OperationalError("server closed the connection"), ConnectionLost),
        (psycopg.InterfaceError("the connection is closed"), ConnectionLost),
        (psycopg.DataError("text fields cannot contain NUL"), Refused),
    ],
)
def test_errors_of_the_driver(error: psycopg.Error, expected: type[Exception]) -> None:
    assert type(faults.converted(error)) is expected


def test_a_password_is_in_no_message() -> None:
    error = psycopg.OperationalError("connection failed: user=u password=secret host=h\nmore with secret")
    found = faults.at_connect(error, Login(where="h:5432"), "secret")
    assert "secret" not in str(found)
    assert "connection failed" in str(found)
