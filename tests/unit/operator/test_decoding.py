"""JSON of any depth is read, as far as there is sense in it."""

import json

import orjson
import pytest

from fairlead_operator.kube.decoding import (
    DEEPEST,
    EventHeader,
    depth,
    dumps,
    event_header,
    loads,
    readable,
    version_in,
)


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


@pytest.mark.parametrize("levels", [300, 960, 1_020, 9_000])
def test_what_was_read_can_be_kept_and_what_any_parser_is_to_read_it_can(levels: int) -> None:
    content = b'{"spec": ' + nested(levels) + b', "name": "orders"}'
    kept = orjson.loads(dumps(loads(content)))
    assert json.loads(readable(content))["name"] == kept["name"] == "orders"
    assert depth(kept) == min(levels + 1, DEEPEST)


@pytest.mark.parametrize("content", [b"{}", nested(100), b'{"a":[' + b"{}," * 2_000 + b"1]}"], ids=["", "deep", "wide"])
def test_what_is_not_too_deep_stays_as_it_is(content: bytes) -> None:
    assert readable(content) == content


@pytest.mark.parametrize(
    ("event", "version"),
    [
        (b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}', 7),
        (b'{"type":"DELETED","object":{"metadata":{"name":"a","resourceVersion":"12"}}}', 12),
        (b'{"type":"ERROR","object":{"code":410}}', 0),
        (b'{"object":{"metadata":{"annotations":{"resourceVersion":"6"},"resourceVersion":"7"}}}', 0),
    ],
    ids=["a bookmark", "a deletion", "an error", "an annotation of that name"],
)
def test_the_version_of_any_event(event: bytes, version: int) -> None:
    assert version_in(event) == version


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
        pytest.param(b"ADDED", TYPED, EventHeader("shop", "api", 7), id="in the order of fields"),
        pytest.param(b"MODIFIED", SORTED, EventHeader("shop", "api", 7), id="in the order of the alphabet"),
        pytest.param(b"ADDED", CLUSTERED, EventHeader("", "api", 7), id="of no namespace"),
        pytest.param(b"ADDED", MISLABELLED, EventHeader("shop", "other", 7), id="a label that looks like the name"),
        pytest.param(b"ADDED", MISANNOTATED, None, id="an annotation that looks like the version"),
        pytest.param(b"DELETED", TYPED, None, id="a deletion"),
        pytest.param(b"BOOKMARK", TYPED, None, id="a bookmark"),
        pytest.param(b"ERROR", b'{"code":410,"metadata":{}}', None, id="an error"),
        pytest.param(b"ADDED", b'{"metadata":{"name":"api"}}', None, id="without a version"),
        pytest.param(b"ADDED", b'{"metadata":{"resourceVersion":"', None, id="cut short"),
    ],
)
def test_a_glance_at_an_event(kind: bytes, live: bytes, seen: EventHeader | None) -> None:
    assert event_header(b'{"type":"' + kind + b'","object":' + live + b"}") == seen
