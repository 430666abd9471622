"""A plan, or the reason why there is none."""

import logging
from typing import Any

import pytest

from fairlead_operator import plan
from fairlead_operator.plan import Stage
from fairlead_operator.reasons import ConditionDetail, Reason
from fairlead_operator.reconcile.planner import DEEPEST, Planner, PreparedPlan

from .plan.cases import EVERYTHING, IMAGE, service


def live(**spec: Any) -> dict[str, Any]:
    """An ApiService as the API server gives it."""
    content = service().model_dump(mode="json", by_alias=True, exclude_none=True)
    content["metadata"] |= {"uid": "u", "generation": 1}
    content["spec"] |= spec
    return content


def prepared(resource: dict[str, Any]) -> PreparedPlan | ConditionDetail:
    return Planner(image=IMAGE).prepare(resource, {}, EVERYTHING)


def test_a_resource_has_a_plan() -> None:
    found = prepared(live())
    assert isinstance(found, PreparedPlan)
    assert found.refused is None
    assert found.image == IMAGE


def test_alerts_lead_to_the_page_that_the_operator_was_given() -> None:
    found = Planner(image=IMAGE, runbooks="https://wiki.example/alerts").prepare(live(), {}, EVERYTHING)
    assert isinstance(found, PreparedPlan)
    [each] = [each for each in found.desired[Stage.BASE] if each.kind.name == "PrometheusRule"]
    [group] = each.manifest["spec"]["groups"]
    pages = {rule["annotations"]["runbook_url"].partition("#")[0] for rule in group["rules"] if "alert" in rule}
    assert pages == {"https://wiki.example/alerts"}


def test_a_field_that_the_operator_does_not_know_is_named() -> None:
    found = prepared(live(novelty=True))
    assert isinstance(found, ConditionDetail)
    assert found.reason == Reason.INVALID_SPEC
    assert found.message.startswith("spec.novelty: ")


def of_class(**spec: Any) -> dict[str, dict[str, Any]]:
    """The one class there is, as the API server gives it."""
    metadata = {"name": "team", "uid": "c", "resourceVersion": "1", "managedFields": [{"manager": "kubectl"}]}
    content = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiServiceClass", "metadata": metadata, "spec": spec}
    return {"team": content}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"monitoring": {"labels": {"release": "a b c"}}}, "spec.monitoring.labels.release"),
        ({"networkPolicy": {"ingressFrom": [{"podselector": {}}]}}, "spec.networkPolicy.ingressFrom[0].podselector"),
        ({"novelty": True}, "spec.novelty"),
        ({"serviceAccount": {"annotations": {"cloud example/role": "shop"}}}, "spec.serviceAccount.annotations"),
        ({"networkPolicy": {"ingressFrom": [{}]}}, "spec.networkPolicy.ingressFrom[0]"),
        (
            {"networkPolicy": {"ingressFrom": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]}},
            "spec.networkPolicy.ingressFrom[0].ipBlock.cidr",
        ),
    ],
)
def test_what_is_wrong_with_a_class_is_reported_as_the_class_s(spec: dict[str, Any], path: str) -> None:
    found = Planner(image=IMAGE).prepare(live(className="team"), of_class(**spec), EVERYTHING)
    assert isinstance(found, ConditionDetail)
    assert found.reason == Reason.INVALID_CLASS
    assert found.message.startswith(f"ApiServiceClass team: {path}: ")


def test_a_spec_that_nests_without_end_is_refused() -> None:
    endless: dict[str, Any] = {}
    for _ in range(DEEPEST):
        endless = {"items": endless}
    content = live()
    content["spec"]["api"]["resources"][0]["schema"]["properties"]["id"] = endless
    found = prepared(content)
    assert isinstance(found, ConditionDetail)
    assert found.reason == Reason.INVALID_SPEC
    assert "deeper than 64 levels" in found.message


def test_a_schema_that_no_plan_can_be_made_of_is_its_authors_mistake(caplog: pytest.LogCaptureFixture) -> None:
    content = live()
    content["spec"]["api"]["resources"][0]["schema"]["properties"]["id"]["pattern"] = "("
    found = prepared(content)
    assert isinstance(found, ConditionDetail)
    assert found.reason == Reason.INVALID_SPEC
    assert found.message.startswith("spec.api.resources[0].schema.properties.id.pattern: ")
    assert caplog.text == ""


def test_a_defect_of_the_plan_is_reported_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("object at 0x7f00")

    monkeypatch.setattr(plan, "plan", broken)
    with caplog.at_level(logging.ERROR):
        found = prepared(live())
    assert isinstance(found, ConditionDetail)
    assert found.reason == Reason.PLAN_FAILED
    assert "KeyError" in found.message
    assert "0x7f00" not in found.message
    assert "0x7f00" in caplog.text


def test_manifests_are_dropped_when_they_are_written_and_made_again_when_they_are_needed() -> None:
    planner, resource = Planner(image=IMAGE), live()
    found = planner.prepare(resource, {}, EVERYTHING)
    assert isinstance(found, PreparedPlan)
    everything = [each for stage in plan.Stage for each in found.desired[stage]]
    manifests = {each.ref: each.manifest for each in everything}
    still_to_be_written = everything[-1]
    found.manifests.keep({still_to_be_written.ref})
    assert still_to_be_written.manifest == manifests[still_to_be_written.ref]
    with pytest.raises(KeyError):
        _ = everything[0].manifest
    assert planner.prepare(resource, {}, EVERYTHING) is found
    assert {each.ref: each.manifest for each in everything} == manifests


@pytest.mark.parametrize("change", [{"generation": 2}, {"uid": "another"}], ids=["a new generation", "another uid"])
def test_another_resource_is_planned_again(change: dict[str, Any]) -> None:
    planner, resource = Planner(image=IMAGE), live()
    before = planner.prepare(resource, {}, EVERYTHING)
    assert planner.prepare(resource, {}, EVERYTHING) is before
    resource["metadata"] |= change
    assert planner.prepare(resource, {}, EVERYTHING) is not before


def test_what_is_gone_is_forgotten() -> None:
    planner, resource = Planner(image=IMAGE), live()
    before = planner.prepare(resource, {}, EVERYTHING)
    planner.forget(("shop", resource["metadata"]["name"]))
    assert planner.prepare(resource, {}, EVERYTHING) is not before
