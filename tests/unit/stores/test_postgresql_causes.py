"""Reasons of PostgreSQL are documented, and their words have what a person needs."""

import psycopg
import pytest
from tests.pages import Table, pieces

from fairlead_operator.diagnosis.redaction import redact
from fairlead_workload import provisioning
from fairlead_workload.stores.postgresql.causes import Login, Reason, missing_right, of_connection

LOGIN = Login("shop", "orders", "shop_orders", "db:5432")


def test_every_reason_has_a_row_in_the_docs_and_no_other_has() -> None:
    [table] = [piece for piece in pieces("postgresql.md") if isinstance(piece, Table) and "Reason" in piece.rows[0]]
    rows = [row["Reason"].strip("`") for row in table.rows]
    assert sorted(rows) == sorted(Reason)
    assert provisioning.INCOMPATIBLE == Reason.INCOMPATIBLE_CHANGE


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("permission denied for database orders", 'GRANT CREATE ON DATABASE "orders" TO "shop"'),
        ("permission denied for schema shop_orders", 'GRANT USAGE, CREATE ON SCHEMA "shop_orders" TO "shop"'),
        ("permission denied for table orders", 'GRANT ALL ON ALL TABLES IN SCHEMA "shop_orders" TO "shop"'),
        ("must be owner of table orders", 'ALTER TABLE "shop_orders"."orders" OWNER TO "shop"'),
        ("must be owner of schema shop_orders", 'ALTER SCHEMA "shop_orders" OWNER TO "shop"'),
        ("keine Berechtigung für Tabelle orders", 'give "shop" the rights that docs/postgresql.md lists'),
    ],
)
def test_the_statement_for_a_missing_right(said: str, remedy: str) -> None:
    message = missing_right(said, LOGIN)
    assert message.endswith(f"; {remedy}")
    assert said in message
    assert redact(message) == message


def test_names_are_quoted_as_sql_wants_them() -> None:
    login = Login('a"b', "{role}", where="db:5432")
    _, message = of_connection(psycopg.OperationalError('database "{role}" does not exist'), login, "")
    assert 'CREATE DATABASE "{role}" OWNER "a""b"' in message


def test_the_password_is_not_quoted_even_by_what_nobody_knows() -> None:
    reason, message = of_connection(psycopg.OperationalError("odd: secret\nand secret"), LOGIN, "secret")
    assert reason == Reason.CONNECTION_FAILED
    assert "secret" not in message
