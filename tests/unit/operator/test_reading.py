"""JSON of any depth is read, as far as there is sense in it."""

import orjson
import pytest

from fairlead_operator.cluster.reading import DEEPEST, depth, loads


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
