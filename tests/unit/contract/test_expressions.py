"""Expressions compile with a position, and their results are plain JSON or an ExpressionError."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead_contract.cel import expressions
from fairlead_contract.cel.expressions import ExpressionError, Program

VARIABLES: dict[str, Any] = {
    "document": {"id": "o1", "quantity": 3, "tags": ["a", "b"], "note": None, "price": 1.5, "paid": True},
    "event": {"type": "orders.created", "time": "2026-01-02T03:04:05Z", "data": {"customerId": "c1"}},
    "results": {"charge": {"status": 200, "body": {"id": "p1"}}, "look-up": {"status": 404, "body": None}},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'CONFIRMED'", "CONFIRMED"),
        ("document.quantity > 2", True),
        ("document.quantity * 2", 6),
        ("document.price * 2.0", 3.0),
        ("document.note", None),
        ("document.tags + ['c']", ["a", "b", "c"]),
        ("document.tags.map(t, {'tag': t})", [{"tag": "a"}, {"tag": "b"}]),
        ("results.charge.body.id", "p1"),
        ("results['look-up'].status", 404),
        ("{'order': document, 'of': event.data}", {"order": VARIABLES["document"], "of": {"customerId": "c1"}}),
        ("document.?missing.orValue('none')", "none"),
        ("{?'missing': document.?missing, 'id': document.id}", {"id": "o1"}),
        ("has(document.missing)", False),
        ("timestamp(event.time)", "2026-01-02T03:04:05Z"),
        ("timestamp('2026-01-02T03:04:05.25Z')", "2026-01-02T03:04:05.250000Z"),
        ("duration('1h30m')", "5400s"),
        ("duration('1500ms')", "1.5s"),
        ("duration('-1500ms')", "-1.5s"),
        ("{'at': [timestamp(event.time)]}", {"at": ["2026-01-02T03:04:05Z"]}),
        ("b'abc'", "YWJj"),
        ("18446744073709551615u", 18446744073709551615),
    ],
)
def test_a_value_is_plain_json(text: str, value: Any) -> None:
    result = expressions.compile(text)(VARIABLES)
    assert result == value
    assert json.loads(json.dumps(result)) == value


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("document.status ==", 1, 19, "mismatched input"),
        ("CONFIRMED", 1, 1, "undeclared reference to 'CONFIRMED'"),
        ("1 +\n nothing(2)", 2, 9, "undeclared reference to 'nothing'"),
        ("1 + 'a'", 1, 3, "no matching overload"),
        ("", 1, 1, "mismatched input"),
    ],
)
def test_a_bad_expression_reports_its_position(text: str, line: int, column: int, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        expressions.compile(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert said in caught.value.message
    assert "expecting {" not in str(caught.value)


@pytest.mark.parametrize("text", ["(" * 500 + "1" + ")" * 500, "document" + ".a" * 300, "'a\x00", "\ud800"])
def test_a_monstrous_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        expressions.compile(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("document.missing", "Key not found"),
        ("1 / 0", "divide by zero"),
        ("[1 / 0]", "divide by zero"),
        ("document.?id", "the result is optional"),
        ("[document.?id]", "the result is optional"),
        ("{'id': document.?id}", "the result is optional"),
        ("[{'id': optional.of(1)}]", "the result is optional"),
        ("{1: 2}", "JSON keys are text"),
        ("double('NaN')", "JSON cannot say"),
        ("[double('Infinity')]", "JSON cannot say"),
        ("type(1)", "JSON cannot say"),
        ("document.quantity + 'a'", "No matching overloads"),
        ("timestamp('soon')", "timestamp"),
        ("range.map(a, range.map(b, range.map(c, 1)))", "budget"),
    ],
)
def test_an_expression_without_a_value_is_an_error(text: str, said: str) -> None:
    variables = {**VARIABLES, "range": list(range(300))}
    program = expressions.compile(text, variables=("document", "event", "results", "range"))
    with pytest.raises(ExpressionError, match="(?i)" + said.replace("(", r"\(")):
        program(variables)


def outcome(program: Program, variables: dict[str, Any]) -> Any:
    """The value, or the error as a value."""
    try:
        return program(variables)
    except ExpressionError as error:
        return error


@pytest.mark.parametrize(
    ("value", "result"),
    [("\ud800", ExpressionError), (2**70, ExpressionError), ({1, 2}, ExpressionError), (b"raw", str)],
)
def test_a_variable_that_is_no_json_never_comes_through_as_it_is(value: Any, result: type) -> None:
    program = expressions.compile("document.value")
    assert isinstance(outcome(program, {"document": {"value": value}}), result)


@pytest.mark.parametrize("value", ["a\0b", ["a\0b"], {"a\0b": 1}, {"a": {"b": "\0"}}])
def test_a_nul_is_refused_instead_of_cut_off(value: Any) -> None:
    with pytest.raises(ExpressionError, match="NUL"):
        expressions.compile("document")({"document": value})


def test_a_text_that_spells_a_nul_passes() -> None:
    assert expressions.compile("document")({"document": "a\\x00b"}) == "a\\x00b"


def test_a_variable_that_is_absent_is_an_error() -> None:
    with pytest.raises(ExpressionError, match="results"):
        expressions.compile("results.charge")({"document": {}})


def test_only_the_declared_variables_exist() -> None:
    with pytest.raises(ExpressionError, match="undeclared reference to 'self'"):
        expressions.compile("self")
    assert expressions.compile("self.a", variables=("self",))({"self": {"a": 1}}) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_json_passes_through_unchanged(value: Any) -> None:
    assert expressions.compile("[document, {'a': document}]")({"document": value}) == [value, {"a": value}]


@given(st.text(max_size=40))
def test_any_text_compiles_or_is_an_expression_error(text: str) -> None:
    try:
        program = expressions.compile(text)
    except ExpressionError:
        return
    result = outcome(program, VARIABLES)
    assert isinstance(result, ExpressionError) or json.dumps(result, allow_nan=False)


@pytest.mark.parametrize("text", ["document.?a.orValue('none')", "size(document) > 0", "has(event.data) || false"])
def test_what_depends_on_variables_is_evaluated_each_time(text: str) -> None:
    program = expressions.compile(text)
    empty, full = (
        {"document": {}, "event": {}, "results": {}},
        {"document": {"a": "x"}, "event": {"data": 1}, "results": {}},
    )
    assert program(empty) != program(full)


def test_a_constant_needs_no_variables() -> None:
    assert expressions.compile("'CON' + 'FIRMED'")({}) == "CONFIRMED"
