"""YAML becomes the values that kubectl would send, and faults carry their line and column."""

import pytest

from fairlead_cli.input.syntax import MAX_DEPTH, SyntaxFault, parse
from fairlead_contract.findings import Severity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: 1.5", {"a": 1.5}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: 0x1F", {"a": 31}),
        ("a: 017", {"a": 15}),
        ("a: -0b101", {"a": -5}),
        ("a: 1_000", {"a": 1000}),
        ("a: 2026-01-31", {"a": "2026-01-31"}),
        ("a: '1'", {"a": "1"}),
        ("a: ~", {"a": None}),
        ("a: yes", {"a": True}),
        ("a: off", {"a": False}),
        ("a: y", {"a": True}),
        ("a: N", {"a": False}),
        ("a: 'y'", {"a": "y"}),
        ("a: yy", {"a": "yy"}),
        ("a: [x, {b: c}]", {"a": ["x", {"b": "c"}]}),
        ('{"a": {"b": [true, null]}}', {"a": {"b": [True, None]}}),
        ("base: &b {x: 1}\nother: *b", {"base": {"x": 1}, "other": {"x": 1}}),
        ("base: &b {x: 1, y2: 2}\nother: {<<: *b, x: 3}", {"base": {"x": 1, "y2": 2}, "other": {"x": 3, "y2": 2}}),
        ("a: {<<: [{x: 1}, {x: 2}]}", {"a": {"x": 1}}),
    ],
)
def test_values_are_what_kubectl_would_send(text: str, value: object) -> None:
    assert [parsed.value for parsed in parse(text)] == [value]


def test_several_documents_keep_their_order_and_empty_ones_count() -> None:
    assert [parsed.value for parsed in parse("a: 1\n---\n---\nb: 2\n")] == [{"a": 1}, None, {"b": 2}]


@pytest.mark.parametrize(
    ("text", "message", "line", "column", "document"),
    [
        ("a: {b: 1", "not valid YAML", 1, 9, 1),
        ("a:\n  b: 'half", "not valid YAML", 2, 11, 1),
        ("a: b: c", "mapping values are not allowed", 1, 5, 1),
        ("a:\n\t- b", "cannot start any token", 2, 1, 1),
        ("ok: 1\n---\na: [\n", "not valid YAML", 3, 5, 2),
        ("ok: 1\n---\na: 1\na: 2\n", "the key `a` appears twice", 4, 1, 2),
        ("a: 1\nb: \x01", "a control character", 2, 4, 1),
        ("a: *nope", "undefined alias", 1, 4, 1),
        ("1: a", "the key `1` is not text", 1, 1, 1),
        ("? [a]\n: b", "a key must be text", 1, 3, 1),
        ("a: !!python/object:os.system x", "is not supported", 1, 4, 1),
        ("a: !!binary aGk=", "the tag !!binary is not supported", 1, 4, 1),
        ("a: .inf", "is not a number", 1, 4, 1),
        ("a:\n  b: 1e400", "`1e400` is out of range", 2, 6, 1),
        ("a: [0, -1e400]", "`-1e400` is out of range", 1, 8, 1),
        ('a: "\\ud800"', "not valid YAML", 1, 7, 1),
        ("a: &x [*x]", "nested too deeply", 1, 4, 1),
        ("[" * (MAX_DEPTH + 1), "nested deeper", 1, MAX_DEPTH + 1, 1),
        ("[" * 300_000, "nested deeper", 1, MAX_DEPTH + 1, 1),
        ("a: {<<: 1}", "`<<` takes a mapping", 1, 9, 1),
    ],
)
def test_a_fault_names_its_place(text: str, message: str, line: int, column: int, document: int) -> None:
    with pytest.raises(SyntaxFault) as caught:
        parse(text)
    fault = caught.value
    assert message in fault.message
    assert (fault.line, fault.column, fault.document) == (line, column, document)


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(SyntaxFault, match="after aliases are expanded"):
        parse("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("on: 1", {"on": 1}, [("", Severity.ERROR)]),
        ("a: {y: 1, n: 2}", {"a": {"y": 1, "n": 2}}, [("a", Severity.ERROR), ("a", Severity.ERROR)]),
        ("enum: [OK, NO]", {"enum": ["OK", False]}, [("enum[1]", Severity.WARNING)]),
        ("'on': 1", {"on": 1}, []),
        ("enum: ['NO']", {"enum": ["NO"]}, []),
        ("enum: [Y, n]", {"enum": [True, False]}, [("enum[0]", Severity.WARNING), ("enum[1]", Severity.WARNING)]),
        ("flag: yes", {"flag": True}, []),
    ],
)
def test_words_that_yaml_reads_as_booleans_are_noticed(
    text: str, value: object, found: list[tuple[str, Severity]]
) -> None:
    (parsed,) = parse(text)
    assert parsed.value == value
    assert [(finding.path, finding.severity) for finding in parsed.findings] == found
