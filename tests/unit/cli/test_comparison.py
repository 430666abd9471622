"""Which fields of an object differ, and how they are named."""

import json
from typing import Any

import pytest

from fairlead_cli.plan.comparison import ABSENT, Difference, differences


def config(**content: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, **content}


def container(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **fields}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"spec": {"a": 1, "b": 2}}, {"spec": {"a": 1, "b": 3}}, [("spec.b", 2, 3)]),
        ({"spec": {"a": 1}}, {"spec": {"b": 1}}, [("spec.a", 1, ABSENT), ("spec.b", ABSENT, 1)]),
        ({"spec": {"a": {"b": 1}}}, {"spec": {"a": None}}, [("spec.a", {"b": 1}, None)]),
        ({"spec": {"a": 1}}, {"spec": {"a": True}}, [("spec.a", 1, True)]),
        ({"status": {"x": 1}}, {"status": {"x": 2}}, []),
        ({"spec": {}}, {"spec": {}}, []),
        (
            {"containers": [container("api", image="one"), container("side")]},
            {"containers": [container("new"), container("api", image="two")]},
            [
                ("containers[api].image", "one", "two"),
                ("containers[side]", {"name": "side"}, ABSENT),
                ("containers[new]", ABSENT, {"name": "new"}),
            ],
        ),
        ({"args": ["a", "b"]}, {"args": ["a", "c", "d"]}, [("args[1]", "b", "c"), ("args[2]", ABSENT, "d")]),
        (
            {"list": [{"name": "a", "port": 1}, {"name": "a", "port": 2}]},
            {"list": [{"name": "a", "port": 1}, {"name": "a", "port": 3}]},
            [("list[1].port", 2, 3)],
        ),
        (
            {"data": {"openapi.json": json.dumps({"info": {"title": "A"}})}},
            {"data": {"openapi.json": json.dumps({"info": {"title": "B"}})}},
            [('data["openapi.json"].info.title', "A", "B")],
        ),
        ({"data": {"x": '{"a":1}'}}, {"data": {"x": '{"a": 1}'}}, [("data.x", '{"a":1}', '{"a": 1}')]),
        ({"data": {"x": "{no"}}, {"data": {"x": "{yes"}}, [("data.x", "{no", "{yes")]),
    ],
    ids=[
        "a value",
        "a field that goes and one that comes",
        "null is not absent",
        "true is not 1",
        "the status is not desired state",
        "nothing",
        "entries belong together by name",
        "entries without a name belong together by place",
        "names that are not unique do not count",
        "a JSON document in a text",
        "the same document, written otherwise",
        "a text that only looks like JSON",
    ],
)
def test_what_differs(before: dict[str, Any], after: dict[str, Any], found: list[tuple[str, Any, Any]]) -> None:
    assert differences(config(**before), config(**after)) == [Difference(*each) for each in found]


def test_what_the_server_keeps_for_itself_is_left_out() -> None:
    before = config() | {"metadata": {"name": "a", "resourceVersion": "1", "generation": 1, "managedFields": []}}
    after = config() | {"metadata": {"name": "a", "resourceVersion": "2", "generation": 2, "labels": {"x/y": "z"}}}
    assert differences(before, after) == [Difference("metadata.labels", ABSENT, {"x/y": "z"})]


def test_json_says_only_what_is_there() -> None:
    assert Difference("a", ABSENT, None).as_json() == {"path": "a", "after": None}
    assert Difference("a", 1, ABSENT).as_json() == {"path": "a", "before": 1}
