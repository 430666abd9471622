"""A class that was stored before a rule that it breaks: what serves goes on, and what is new is refused."""

import copy
import uuid
from collections.abc import Callable, Iterator

import pytest
import yaml

from ..client import ApiError, Client, Manifest
from ..simulator import Simulator
from ..waiting import eventually
from .apisvc import Resource
from .harness import EXAMPLE, Running, example

DEFINITION = yaml.safe_load((EXAMPLE.parents[1] / "crds" / "fairlead.dev_apisvcclasses.yaml").read_text())
RULES = "x-kubernetes-validations"
GOOD = {"release": "prometheus"}
# What a pattern of the definition refuses, and what only a rule of it does.
BAD = {"spec.monitoring.labels.release": {"release": "a b c"}, "spec.monitoring.labels": {"the release": "x"}}
StoreInvalid = Callable[[Manifest, dict[str, str]], None]


def without_rules(node: object) -> object:
    """The definition as an older one may have been: no patterns, no rules."""
    if isinstance(node, dict):
        return {key: without_rules(value) for key, value in node.items() if key not in {"pattern", RULES}}
    return [without_rules(each) for each in node] if isinstance(node, list) else node


@pytest.fixture
def class_(admin: Client) -> Iterator[Manifest]:
    """A valid class."""
    manifest = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiServiceClass"}
    metadata, spec = {"name": f"test-{uuid.uuid4().hex[:10]}"}, {"monitoring": {"labels": GOOD}}
    made = admin.create(manifest | {"metadata": metadata, "spec": spec})
    yield made
    admin.delete(made)


@pytest.fixture
def store_invalid(admin: Client) -> Iterator[StoreInvalid]:
    """Store bad labels in a class, as if that had been done before there was a rule."""

    def store(class_: Manifest, bad: dict[str, str]) -> None:
        older = copy.deepcopy(DEFINITION)
        version = older["spec"]["versions"][0]
        version["schema"] = without_rules(version["schema"])
        admin.apply(older)
        eventually(lambda: labels(class_, bad), what="the older definition is in force")
        admin.apply(DEFINITION)
        other = class_ | {"metadata": {"name": "other"}, "spec": {"monitoring": {"labels": bad}}}
        eventually(lambda: not is_taken(other), what="the rules are in force again")

    def labels(class_: Manifest, wanted: dict[str, str]) -> bool:
        try:
            admin.merge(class_, {"spec": {"monitoring": {"labels": wanted}}})
        except ApiError:
            return False
        return True

    def is_taken(class_: Manifest) -> bool:
        try:
            admin.create(class_, dry_run=True)
        except ApiError:
            return False
        return True

    yield store
    admin.apply(DEFINITION)


@pytest.mark.parametrize(("path", "bad"), BAD.items(), ids=["a pattern", "a rule"])
@pytest.mark.usefixtures("recorder")
def test_a_bad_class_stalls_nothing_that_serves_and_is_reported_where_more_is_requested(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    class_: Manifest,
    store_invalid: StoreInvalid,
    path: str,
    bad: dict[str, str],
) -> None:
    operator = start()
    name = class_["metadata"]["name"]
    serving, edited, fresh = (
        Resource(admin, example(namespace, name=each, className=name)) for each in ("serving", "edited", "fresh")
    )
    for each in (serving, edited):
        each.create().until("Ready", "True")
    operator.settle()
    before = serving.children()
    store_invalid(class_, bad)
    for each in (serving, edited):
        each.until("ClassInvalid", "True", "InvalidClass")
        assert each.condition("Ready")["status"] == "True"
    said = serving.condition("ClassInvalid")["message"]
    assert said.startswith(f"ApiServiceClass {name}: {path}: ")
    edited.edit(api=edited.live()["spec"]["api"] | {"title": "Other"})
    fresh.create()
    for each in (edited, fresh):
        each.until("Stalled", "True", "InvalidClass")
    assert fresh.children() == {}
    operator.settle()
    assert serving.children().keys() == before.keys()
    assert serving.condition("Ready")["status"] == "True"
    admin.merge(class_, {"spec": {"monitoring": {"labels": dict.fromkeys(bad) | GOOD}}})
    for each in (serving, edited, fresh):
        eventually(lambda each=each: not each.condition("ClassInvalid"), what="the class is used again")
        each.until("Ready", "True")
