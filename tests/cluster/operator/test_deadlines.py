"""How soon children are there: one second for what needs no provisioning, and one for the rest from its success on.

The deadlines are those of an idle machine. On a busy one, what the same writes take bare, one after the other, says how
much more time is given. The median of a few resources counts, so one pause of the machine fails nothing.
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fairlead_operator.kube import kinds
from fairlead_operator.plan import Child, Stage

from ..client import Client
from .apisvc import Resource
from .fullest import CLASS_FILE, full, planned
from .harness import Running, Sent

DEADLINE_SECONDS = 1.0
# As many bare writes as a resource has children take this on an idle machine of two cores.
IDLE_SECONDS = 0.3
TIMES_BARE = 3
NAMES = ("first", "second", "third")


def allowed_seconds(bare_seconds: float) -> float:
    """The deadline, and more only where the API server itself is slower than on an idle machine."""
    return DEADLINE_SECONDS + (TIMES_BARE * bare_seconds if bare_seconds > IDLE_SECONDS else 0.0)


def bare_seconds(client: Client, namespace: str, name: str) -> float:
    """What it takes to write the children of an ApiService that nobody made, but for those that make pods."""
    children = planned(full(namespace, name)).children
    begun = time.monotonic()
    for child in children:
        if child.kind not in {"Job", "Deployment"}:
            client.apply(child.manifest)
    return time.monotonic() - begun


def succeeded_at(client: Client, namespace: str, owner: str) -> float:
    """When the success of a provision Job was written, in seconds of the monotonic clock."""
    path = client.path("batch/v1", "Job", namespace=namespace)
    for live in client.watch(path, timeoutSeconds="120", labelSelector=f"fairlead.dev/apisvc={owner}"):
        conditions = live.get("status", {}).get("conditions", ())
        if any(each["type"] == "Complete" and each["status"] == "True" for each in conditions):
            return time.monotonic()
    raise AssertionError(f"the provision Job of {owner} does not end")


def last_written(sent: list[Sent], children: list[Child]) -> float:
    """When the last of these children was there for the first time."""
    first: dict[str, float] = {}
    for each in sent:
        first.setdefault("/".join(each.path.split("/")[-2:]), each.at)
    return max(first[f"{kinds.of(child.manifest).plural}/{child.name}"] for child in children)


@pytest.mark.usefixtures("recorder", "simulator")
def test_children_are_there_within_a_second_and_within_another_after_provisioning(
    admin: Client, namespace: str, start: Callable[..., Running]
) -> None:
    operator = start(class_file=str(CLASS_FILE))
    before, after, bare = [], [], []
    for name in NAMES:
        bare.append(bare_seconds(admin, namespace, f"bare-{name}"))
        resource = Resource(admin, full(namespace, name))
        with ThreadPoolExecutor(1) as pool:
            watched = pool.submit(succeeded_at, admin, namespace, name)
            resource.create()
            created = time.monotonic()
            resource.until("Ready", "True")
            provisioned = watched.result()
        operator.settle()
        sent, children = operator.child_writes(name), planned(resource.live()).children
        before.append(last_written(sent, of(children, Stage.BASE, Stage.PUBLISH, Stage.TRAFFIC)) - created)
        after.append(last_written(sent, of(children, Stage.ROLLOUT)) - provisioned)
    limit = allowed_seconds(statistics.median(bare))
    print(f"without provisioning {before}, after it {after}, bare {bare}: at most {limit:.2f} s")
    assert statistics.median(before) <= limit
    assert statistics.median(after) <= limit


def of(children: tuple[Child, ...], *stages: Stage) -> list[Child]:
    found = [each for each in children if each.stage in stages]
    assert found
    return found


def test_a_busy_machine_gets_more_time_and_an_idle_one_none() -> None:
    assert allowed_seconds(0.1) == DEADLINE_SECONDS
    assert allowed_seconds(1.0) == DEADLINE_SECONDS + TIMES_BARE
