"""A plan, or the reason why there is none."""

import logging
from typing import Any

import pytest

from fairlead_operator import plan
from fairlead_operator.prepare import DEEPEST, Prepared, Preparer
from fairlead_operator.reasons import Reason, Trouble

from .plan.cases import EVERYTHING, IMAGE, service


def live(**spec: Any) -> dict[str, Any]:
    """An ApiService as the API server gives it."""
    content = service().model_dump(mode="json", by_alias=True, exclude_none=True)
    content["metadata"] |= {"uid": "u", "generation": 1}
    content["spec"] |= spec
    return content


def prepared(resource: dict[str, Any]) -> Prepared | Trouble:
    return Preparer(image=IMAGE).prepare(resource, {}, EVERYTHING)


def test_a_resource_has_a_plan() -> None:
    found = prepared(live())
    assert isinstance(found, Prepared)
    assert found.refused is None
    assert found.image == IMAGE


def test_a_field_that_the_operator_does_not_know_is_named() -> None:
    found = prepared(live(novelty=True))
    assert isinstance(found, Trouble)
    assert found.reason == Reason.INVALID_SPEC
    assert found.message.startswith("spec.novelty: ")


def test_a_spec_that_nests_without_end_is_refused() -> None:
    endless: dict[str, Any] = {}
    for _ in range(DEEPEST):
        endless = {"items": endless}
    content = live()
    content["spec"]["api"]["resources"][0]["schema"]["properties"]["id"] = endless
    found = prepared(content)
    assert isinstance(found, Trouble)
    assert found.reason == Reason.INVALID_SPEC
    assert "deeper than 64 levels" in found.message


def test_a_defect_of_the_plan_is_told_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("object at 0x7f00")

    monkeypatch.setattr(plan, "plan", broken)
    with caplog.at_level(logging.ERROR):
        found = prepared(live())
    assert isinstance(found, Trouble)
    assert found.reason == Reason.PLAN_FAILED
    assert "KeyError" in found.message
    assert "0x7f00" not in found.message
    assert "0x7f00" in caplog.text
