"""Whatever happens to watches, the operator carries on: nothing is missed for longer than ten seconds.

Every fault meets the watches of ApiServices, of Services and of Jobs in a scene of its own, and all scenes play at the
same time, a few at once. In each a user edits a spec and deletes a Service, and a provision Job ends. What the operator
needs for that without any fault, on a machine that may have much else to do, comes on top of the ten seconds.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from ..client import Manifest
from ..ground import Ground
from ..operator.apisvc import Resource, condition
from ..simulator import provisioned
from ..waiting import eventually
from . import streams
from .actions import Action
from .proxy import FaultProxy
from .scene import READY_SECONDS, RECOVERY_SECONDS, Scene, scene, within

TOUCHED = ("apisvcs", "services", "jobs")
AT_ONCE = 4
LATE_SECONDS = 10.0
# What is late for longer than a watch lasts is made up for by lists, after two watches that brought nothing.
LISTED_SECONDS = 25.0


@dataclass(frozen=True)
class Fault:
    """`strike` returns when the watches have met the fault; `seconds` is how long the operator may need."""

    strike: Callable[[Scene], object]
    seconds: float = RECOVERY_SECONDS


def on_all(action: Action, *, count: int | None = 1) -> Callable[[Scene], object]:
    """The next watches meet the action, so many times each."""
    return lambda here: here.strike(action, *TOUCHED, count=count)


def out_of_order(here: Scene) -> None:
    """Events keep their order within a kind, and lose it across kinds."""
    for number, resource in enumerate((*TOUCHED, "deployments"), start=1):
        here.strike(streams.delayed(number * 0.7), resource, count=None)


FAULTS = {
    "ERROR 410, five times": Fault(on_all(streams.error(410), count=5)),
    "ERROR 500, five times": Fault(on_all(streams.error(500), count=5)),
    "closed at once, five times": Fault(on_all(streams.closed_at_once, count=5)),
    "torn in an event, five times": Fault(on_all(streams.torn, count=5)),
    "accepted, then silent": Fault(on_all(streams.silent)),
    "not answered": Fault(on_all(streams.hung)),
    "every event lost": Fault(on_all(streams.lossy)),
    "every event twice, always": Fault(on_all(streams.duplicated, count=None)),
    "late by ten seconds": Fault(on_all(streams.delayed(LATE_SECONDS))),
    "late by ten seconds, always": Fault(on_all(streams.delayed(LATE_SECONDS), count=None), LISTED_SECONDS),
    "out of order across kinds, always": Fault(out_of_order),
}


def play(fault: Fault, ground: Ground, proxy: FaultProxy) -> dict[str, float]:
    """One scene; how many seconds it took until each was noticed, and how many without any fault ("usual")."""
    with scene(ground, proxy) as here:
        here.start()
        orders, late = here.resource("orders").create(), here.resource("late")
        orders.until("Ready", "True", timeout_seconds=READY_SECONDS)
        here.simulator.job_message = lambda pod: None
        late.create().until("Ready", "Unknown", "Provisioning", timeout_seconds=READY_SECONDS)
        here.operator.settle()
        usual = max(meddle(here, orders, most=4, seconds=READY_SECONDS).values())
        here.operator.settle()
        fault.strike(here)
        with ThreadPoolExecutor(1) as beside:
            provisioning = beside.submit(provision, here, late, seconds=fault.seconds + usual)
            took = meddle(here, orders, most=5, seconds=fault.seconds + usual) | provisioning.result()
        for each in (orders, late):
            each.until("Ready", "True", timeout_seconds=READY_SECONDS)
        here.assert_sound()
        return took | {"usual": usual}


def meddle(here: Scene, resource: Resource, *, most: int, seconds: float) -> dict[str, float]:
    """Edit the spec and delete the Service; the seconds until the operator has answered each."""
    service = here.admin.get(resource.child("Service", "api"))
    assert service is not None
    resource.edit(scaling={"api": {"max": most}})
    here.admin.delete(service)
    start = time.monotonic()
    return {
        "edit": within(seconds, lambda: highest(resource) == most, since=start, what="the edit is carried out"),
        "deletion": within(seconds, lambda: is_new(here, service), since=start, what="the Service is back"),
    }


def provision(here: Scene, resource: Resource, *, seconds: float) -> dict[str, float]:
    """Let the provision Job end; the seconds from then on until the operator tells of it."""
    (job,) = [each for (kind, _), each in resource.children().items() if kind == "Job"]
    here.simulator.job_message = provisioned
    ended = lambda: condition(here.admin.get(job) or {}, "Complete").get("status") == "True"  # noqa: E731
    eventually(ended, what="the Job ends", timeout_seconds=READY_SECONDS)
    told = lambda: resource.condition("Provisioned").get("status") == "True"  # noqa: E731
    return {"end of a Job": within(seconds, told, since=time.monotonic(), what="the end of the Job is told")}


def highest(resource: Resource) -> int:
    """How many replicas the autoscaler allows."""
    live = resource.client.get(resource.child("HorizontalPodAutoscaler", "api"))
    return int(live["spec"]["maxReplicas"]) if live else 0


def is_new(here: Scene, service: Manifest) -> bool:
    """Whether there is another one of the same name."""
    live = here.admin.get(service)
    return live is not None and live["metadata"]["uid"] != service["metadata"]["uid"]


@pytest.fixture(scope="module")
def scenes(request: pytest.FixtureRequest, ground: Ground) -> Iterator[dict[str, Future[dict[str, float]]]]:
    """Every scene that is asked for, under way."""
    items = [item for item in request.session.items if item.path == request.path]
    chosen = {item.callspec.params["name"] for item in items if isinstance(item, pytest.Function)}
    with FaultProxy(ground.config) as proxy, ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(play, FAULTS[name], ground, proxy) for name in FAULTS if name in chosen}


@pytest.mark.thorough
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_missed_for_long_and_there_is_no_storm(
    scenes: dict[str, Future[dict[str, float]]], name: str
) -> None:
    print(f"{name}:", ", ".join(f"{what} {seconds:.1f} s" for what, seconds in scenes[name].result().items()))
