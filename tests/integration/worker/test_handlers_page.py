"""docs/handlers.md: every handler on the page is run as it stands, and every expression evaluated."""

import json
from typing import Any

import pytest
import yaml
from tests import pages
from tests.pages import Code, Table, quoted

from fairlead_contract.cel import expressions
from fairlead_contract.cel.expressions import ExpressionError
from fairlead_contract.validation.rules import check
from fairlead_workload.events.cloudevents import Event
from fairlead_workload.model.effects import Action

from .conftest import Answer, Lab, Payments

PIECES = list(pages.pieces("handlers.md"))
[RESOURCES] = [
    yaml.safe_load(piece.text)["resources"]
    for piece in PIECES
    if isinstance(piece, Code) and piece.text.startswith("resources:")
]
[VARIABLES] = [
    yaml.safe_load(piece.text) for piece in PIECES if isinstance(piece, Code) and piece.text.startswith("document:")
]
EXAMPLES = [
    (piece, PIECES[position + 1])
    for position, piece in enumerate(PIECES)
    if isinstance(piece, Code) and piece.text.startswith("handlers:")
]
CASES = [
    pytest.param(code, row, id=f"{code.heading}-{number}-{place}")
    for number, (code, table) in enumerate(EXAMPLES)
    for place, row in enumerate(table.rows if isinstance(table, Table) else ())
]
NOT_PROPERTIES = {"Order", "Answers", "Calls", "Dead letter"}


def test_every_block_of_the_page_is_of_a_kind_that_is_tested() -> None:
    blocks = [piece for piece in PIECES if isinstance(piece, Code)]
    assert len(blocks) == len(EXAMPLES) + 2
    assert {block.language for block in blocks} == {"yaml"}
    assert all(isinstance(table, Table) and "Calls" in table.rows[0] for _, table in EXAMPLES)


@pytest.mark.parametrize("code", [code for code, _ in EXAMPLES], ids=lambda code: code.heading)
def test_an_example_is_sound(code: Code) -> None:
    spec = {
        "api": {"resources": RESOURCES},
        "datastore": {"type": "SQLite"},
        "queue": {"type": "SQLite"},
        "security": {"authentication": {"anonymous": "Allow"}},
        "worker": yaml.safe_load(code.text),
    }
    document = {
        "apiVersion": "fairlead.dev/v1alpha1",
        "kind": "ApiService",
        "metadata": {"name": "orders"},
        "spec": spec,
    }
    findings = check(document).findings
    if code.heading == "Chains of events":  # which are what lint warns of
        findings = tuple(each for each in findings if not each.message.startswith("causes the event it handles"))
    assert findings == ()


@pytest.mark.parametrize(("code", "row"), CASES)
async def test_an_example_does_what_its_table_says(
    lab: Lab, payments: Payments, code: Code, row: dict[str, str]
) -> None:
    lab.resources = RESOURCES
    lab.worker_spec = yaml.safe_load(code.text)
    payments.always(status=200, body={"receipt": "r-7"})
    payments.script(*({"status": int(status), "body": {"receipt": "r-7"}} for status in quoted(row.get("Answers", ""))))
    lab.open()
    [given] = quoted(row.get("Order", "")) or ["quantity: 1"]
    await lab.create("a", customerId="ada", **yaml.safe_load(given))
    await lab.settle()
    events = {handler["event"] for handler in lab.worker_spec["handlers"]}
    if "orders.updated" in events:
        await lab.send(lab.command(Action.PATCH, "a", {"quantity": 2}))
    if "orders.deleted" in events:
        await lab.send(lab.command(Action.DELETE, "a"))
    await lab.settle()

    assert [f"{request.method} {request.path}" for request in payments.requests] == quoted(row["Calls"])
    document: dict[str, Any] = await lab.document_of("a") or {}
    for name in row.keys() - NOT_PROPERTIES:
        assert document.get(name) == (quoted(row[name]) or [None])[0], name
    letters = [f"`{letter.failure.error_class}` `{letter.failure.error_code}`" for letter in await lab.letters()]
    assert letters == ([] if row["Dead letter"] == "none" else [row["Dead letter"]])


def expression_rows(column: str) -> list[tuple[str, str]]:
    [table] = [piece for piece in PIECES if isinstance(piece, Table) and piece.rows[0].keys() == {"Expression", column}]
    return [(quoted(row["Expression"])[0], row[column]) for row in table.rows]


@pytest.mark.parametrize(("text", "value"), expression_rows("Value"))
def test_an_expression_has_the_value_of_the_page(text: str, value: str) -> None:
    got = expressions.compile(text)(VARIABLES)
    wanted = json.loads(quoted(value)[0])
    assert (got, type(got)) == (wanted, type(wanted))


@pytest.mark.parametrize(("text", "why"), expression_rows("Why"))
def test_an_expression_without_a_value_fails_and_its_remedy_has_one(text: str, why: str) -> None:
    with pytest.raises(ExpressionError):
        expressions.compile(text)(VARIABLES)
    for remedy in quoted(why):
        if "..." not in remedy:
            expressions.compile(remedy)(VARIABLES)


@pytest.mark.parametrize("name", ["lowerAscii", "split", "math.", "base64.", "now"])
def test_an_extension_that_the_page_says_is_not_there_is_not(name: str) -> None:
    text = {"lowerAscii": "'A'.lowerAscii()", "split": "'a'.split(',')", "math.": "math.least(1, 2)"}
    with pytest.raises(ExpressionError, match="undeclared reference"):
        expressions.compile(text.get(name, "now()" if name == "now" else "base64.encode(b'a')"))


async def test_the_variables_are_those_that_a_handler_sees(lab: Lab, payments: Payments) -> None:
    assert list(VARIABLES) == list(expressions.STEP_VARIABLES)
    assert list(VARIABLES["event"]) == list(Event.__struct_fields__)
    call = {"service": {"name": "payments", "port": 8080, "path": "/"}}
    steps = [
        {"name": "charge", "call": call},
        {"name": "notify", "call": call | {"body": "{'document': document, 'event': event, 'results': results}"}},
    ]
    lab.resources = RESOURCES
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": steps}]}
    payments.answer = lambda request: Answer(200, VARIABLES["results"]["charge"]["body"])
    lab.open()
    await lab.create("o-1", customerId="ada", quantity=3)
    await lab.settle()
    seen = payments.requests[1].body
    assert seen["event"].keys() == VARIABLES["event"].keys()
    assert {type(each) for each in seen["event"].values()} == {type(each) for each in VARIABLES["event"].values()}
    assert seen["results"] == VARIABLES["results"]
    assert (
        seen["event"]["data"]
        == seen["document"]
        == {"id": "o-1", "customerId": "ada", "quantity": 3, "status": "PENDING"}
    )
