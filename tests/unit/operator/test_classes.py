"""Which class a resource has."""

from typing import Any

import pytest

from fairlead_operator.plan.classes import choose, concerns
from fairlead_operator.reasons import ConditionDetail, Reason


def a_class(name: str, *, default: bool = False, made: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    return {"metadata": {"name": name, "creationTimestamp": made}, "spec": {"isDefault": default}}


CLASSES = {each["metadata"]["name"]: each for each in (a_class("small"), a_class("standard", default=True))}


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({"className": "small"}, {}, "small"),
        ({"className": "small"}, {"className": "standard"}, "small"),
        ({}, {"className": "small"}, "small"),
        ({}, {}, "standard"),
        ({}, {"className": "built-in"}, "standard"),
    ],
)
def test_the_named_then_the_pinned_then_the_default_class(
    spec: dict[str, str], status: dict[str, str], expected: str
) -> None:
    assert choose({"spec": spec, "status": status}, CLASSES) == (expected, CLASSES[expected])


def test_without_any_class_there_is_the_built_in_one() -> None:
    assert choose({"spec": {}}, {}) == ("built-in", None)
    assert choose({"spec": {}}, {"small": a_class("small")}) == ("built-in", None)


@pytest.mark.parametrize("resource", [{"spec": {"className": "x"}}, {"spec": {}, "status": {"className": "x"}}])
def test_a_class_that_is_not_there_is_reported(resource: dict[str, Any]) -> None:
    found = choose(resource, CLASSES)
    assert isinstance(found, ConditionDetail)
    assert found.reason == Reason.CLASS_NOT_FOUND


def test_of_two_defaults_the_older_one_counts() -> None:
    two = {"a": a_class("a", default=True, made="2026-02-01T00:00:00Z"), "b": a_class("b", default=True)}
    assert choose({"spec": {}}, two) == ("b", two["b"])


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({"className": "small"}, {}, True),
        ({"className": "standard"}, {"className": "small"}, False),
        ({}, {"className": "small"}, True),
        ({}, {"className": "standard"}, False),
        ({}, {"className": "built-in"}, True),
        ({}, {}, True),
    ],
)
def test_a_change_of_a_class_concerns_those_who_have_it_or_have_none(
    spec: dict[str, str], status: dict[str, str], expected: bool
) -> None:
    assert concerns({"spec": spec, "status": status}, "small") is expected
