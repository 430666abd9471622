"""What an edit writes: the children whose intent it changes, and one or two statuses; and what many edits leave."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from fairlead_operator.kube import kinds
from fairlead_operator.plan.workload.deployment import REVISIONS

from ..client import Client, Manifest
from ..waiting import eventually
from .apisvc import LABEL, Resource
from .fullest import CLASS_FILE, full, intents
from .harness import Running, Sent, side_by_side
from .test_life import details

pytestmark = pytest.mark.usefixtures("recorder", "simulator")
Written = set[tuple[str, str]]
# Old generations that a rollback may need, the one that serves, and one whose ReplicaSet its controller drops late.
MOST_GENERATIONS = REVISIONS + 2


@dataclass(frozen=True)
class Edit:
    """A change of the spec. `provisions` says that it needs the provision Job, which costs two statuses more."""

    change: Manifest
    provisions: bool = False


EDITS = {
    "the title": Edit({"api": {"title": "Other"}}),
    "the bounds of replicas": Edit({"scaling": {"api": {"max": 21}, "worker": {"max": 51}}}),
    "the objective": Edit({"slo": {"availability": "99.5"}}),
    "what a pod may use": Edit({"compute": {"api": {"limits": {"memory": "2Gi"}}}}),
    "the host name": Edit({"exposure": {"gateway": {"hostnames": ["other.example.com"]}}}),
    "when dead letters raise an alarm": Edit({"queue": {"deadLetter": {"alertAfter": 6}}}),
    "the same in another notation": Edit({"compute": {"api": {"limits": {"memory": "2048Mi"}}}}),
    "how long dead letters are kept": Edit({"queue": {"deadLetter": {"retention": "200h"}}}, provisions=True),
}


def written(sent: list[Sent], method: str) -> list[tuple[str, str]]:
    """Plural and name of everything that was written by this method."""
    return [tuple(each.path.split("/")[-2:]) for each in sent if each.method == method]  # type: ignore[misc]


def changed(before: Manifest, after: Manifest) -> Written:
    """The children whose intent differs. A Job is made once per name and never written again."""
    was, now = intents(before), intents(after)
    return {
        (kinds.find(ref.group, ref.kind).plural, ref.name)
        for ref, digest in now.items()
        if was.get(ref) != digest and not (ref in was and ref.kind == "Job")
    }


def generations(resource: Resource) -> set[str]:
    """The ConfigMaps of its runtime documents."""
    return {name for kind, name in resource.children() if kind == "ConfigMap" and "-runtime-" in name}


def mounted(resource: Resource) -> set[str]:
    """The ones that a ReplicaSet, also one kept for a rollback, has in its pods."""
    sets = resource.client.list(
        "apps/v1", "ReplicaSet", namespace=resource.namespace, labelSelector=f"{LABEL}={resource.name}"
    )
    volumes = [volume for each in sets for volume in each["spec"]["template"]["spec"]["volumes"]]
    names = {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}
    return {name for name in names if "-runtime-" in name}


def test_an_edit_writes_what_it_changes_and_old_generations_stay_as_long_as_pods_may_need_them(
    admin: Client, namespace: str, start: Callable[..., Running]
) -> None:
    operator = start(class_file=str(CLASS_FILE))
    edited, often = (Resource(admin, full(namespace, name)) for name in ("edited", "often"))

    def each_edit() -> None:
        edited.create().until("Ready", "True")
        for said, edit in EDITS.items():
            before, begun = edited.live(), time.monotonic()
            children, statuses = len(operator.child_writes(edited.name)), len(operator.status_writes(edited.name))
            edited.edit(**edit.change)
            after = edited.until("Ready", "True")
            sent = operator.child_writes(edited.name)[children:]
            expected = changed(before, after)
            assert sorted(written(sent, "PATCH")) == sorted(expected), said
            assert (not expected) == (said == "the same in another notation")
            for plural, name in written(sent, "DELETE"):
                is_job = plural == "jobs" and edit.provisions
                assert is_job or (plural == "configmaps" and "-runtime-" in name), (said, name)
            assert mounted(edited) <= generations(edited), said
            most = 2 + 2 * edit.provisions + details(time.monotonic() - begun)
            assert 1 <= len(operator.status_writes(edited.name)) - statuses <= most, said

    def many_edits() -> None:
        often.create().until("Ready", "True")
        for number in range(MOST_GENERATIONS + 2):
            often.edit(api={"title": f"Number {number}"})
            often.until("Ready", "True")
            assert mounted(often) <= generations(often)
            assert len(generations(often)) <= MOST_GENERATIONS

    side_by_side(each_edit, many_edits)
    of_statuses = sum(len(operator.status_writes(each.name)) for each in (edited, often))
    of_children = sum(len(operator.child_writes(each.name)) for each in (edited, often))
    assert len(operator.writes()) == of_statuses + of_children, "nothing else is written"
    eventually(lambda: len(mounted(often)) <= REVISIONS + 1, what="the controller has dropped old ReplicaSets")
    operator.resync()
    for each in (edited, often):
        assert generations(each) == mounted(each)
