"""JSON of any depth is read, as far as there is sense in it."""

import orjson
import pytest

from fairlead_operator.cluster.reading import DEEPEST, Glance, depth, glance, loads


def nested(levels: int) -> bytes:
    return b'{"a":[' * (levels // 2) + b'"]}\\""' + b"]}" * (levels // 2)


@pytest.mark.parametrize("content", [b"{}", b'{"a": [1, "]}", {"b": "\\"{"}]}', b"[]", b'"{[{["', nested(100)])
def test_what_a_parser_takes_is_read_as_it_is(content: bytes) -> None:
    assert loads(content) == orjson.loads(content)


@pytest.mark.parametrize("levels", [1_200, 9_000, 100_000])
def test_what_lies_too_deep_is_null_and_its_neighbours_are_whole(levels: int) -> None:
    content = b'{"items": [{"name": "bad", "spec": ' + nested(levels) + b'}, {"name": "good", "n": [1, {"b": 2}]}]}'
    bad, good = loads(content)["items"]
    assert bad["name"] == "bad"
    assert good == {"name": "good", "n": [1, {"b": 2}]}
    assert depth(bad) == DEEPEST - 2


@pytest.mark.parametrize(
    "content", [b'{"a": [1', b"", b"<html>", b'{"a": "' + b"[" * 500], ids=["cut", "", "html", "text"]
)
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        loads(content)


@pytest.mark.parametrize(("value", "levels"), [(1, 0), ({}, 1), ([[], {"a": [1]}], 3), ({"a": {"b": {}}}, 3)])
def test_depth(value: object, levels: int) -> None:
    assert depth(value) == levels


TYPED = b'{"kind":"Service","metadata":{"name":"api","namespace":"shop","uid":"u","resourceVersion":"7"}}'
SORTED = (
    b'{"apiVersion":"v1","metadata":{"annotations":{"a":"{\\"name\\":\\"no\\",\\"resourceVersion\\":\\"1\\"}"},'
    b'"managedFields":[{"fieldsV1":{"f:name":{}}}],"name":"api","namespace":"shop",'
    b'"ownerReferences":[{"name":"orders"}],"resourceVersion":"7","uid":"u"},"spec":{"name":"no"}}'
)
CLUSTERED = b'{"metadata":{"name":"api","resourceVersion":"7"}}'
MISLABELLED = b'{"metadata":{"labels":{"name":"other"},"name":"api","namespace":"shop","resourceVersion":"7"}}'
MISANNOTATED = (
    b'{"metadata":{"annotations":{"resourceVersion":"6"},"name":"api","namespace":"shop","resourceVersion":"7"}}'
)


@pytest.mark.parametrize(
    ("kind", "live", "seen"),
    [
        pytest.param(b"ADDED", TYPED, Glance("shop", "api", 7), id="in the order of fields"),
        pytest.param(b"MODIFIED", SORTED, Glance("shop", "api", 7), id="in the order of the alphabet"),
        pytest.param(b"ADDED", CLUSTERED, Glance("", "api", 7), id="of no namespace"),
        pytest.param(b"ADDED", MISLABELLED, Glance("shop", "other", 7), id="a label that looks like the name"),
        pytest.param(b"ADDED", MISANNOTATED, None, id="an annotation that looks like the version"),
        pytest.param(b"DELETED", TYPED, None, id="a deletion"),
        pytest.param(b"BOOKMARK", TYPED, None, id="a bookmark"),
        pytest.param(b"ERROR", b'{"code":410,"metadata":{}}', None, id="an error"),
        pytest.param(b"ADDED", b'{"metadata":{"name":"api"}}', None, id="without a version"),
        pytest.param(b"ADDED", b'{"metadata":{"resourceVersion":"', None, id="cut short"),
    ],
)
def test_a_glance_at_an_event(kind: bytes, live: bytes, seen: Glance | None) -> None:
    assert glance(b'{"type":"' + kind + b'","object":' + live + b"}") == seen
