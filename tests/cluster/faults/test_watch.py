"""Whatever happens to watches, the operator carries on: nothing is missed for longer than ten seconds.

Every fault meets the watches of ApiServices, of Services and of Jobs in an environment of its own, and all faults run
at the same time, a few at once. In each a user edits a spec and deletes a Service, and a provision Job ends. What the
operator needs for that without any fault, on a machine that may have much else to do, comes on top of the ten seconds.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from ..access import OperatorAccess
from ..client import Manifest
from ..operator.apisvc import Resource, condition
from ..simulator import provisioned
from ..waiting import eventually
from . import streams
from .actions import Action
from .environment import READY_SECONDS, RECOVERY_SECONDS, Environment, environment, within
from .proxy import FaultProxy

TOUCHED = ("apisvcs", "services", "jobs")
AT_ONCE = 4
LATE_SECONDS = 10.0
# What is late for longer than a watch lasts is made up for by lists, after two watches that brought nothing.
LISTED_SECONDS = 25.0


@dataclass(frozen=True)
class Fault:
    """`inject` returns when the watches have met the fault; `seconds` is how long the operator may need."""

    inject: Callable[[Environment], object]
    seconds: float = RECOVERY_SECONDS


def on_all(action: Action, *, count: int | None = 1) -> Callable[[Environment], object]:
    """The next watches meet the action, so many times each."""
    return lambda env: env.inject(action, *TOUCHED, count=count)


def out_of_order(env: Environment) -> None:
    """Events keep their order within a kind, and lose it across kinds."""
    for number, resource in enumerate((*TOUCHED, "deployments"), start=1):
        env.inject(streams.delayed(number * 0.7), resource, count=None)


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


def run(fault: Fault, access: OperatorAccess, proxy: FaultProxy) -> dict[str, float]:
    """Run one fault; the seconds until each change was noticed, and those without any fault ("usual")."""
    with environment(access, proxy) as env:
        env.start()
        orders, late = env.resource("orders").create(), env.resource("late")
        orders.until("Ready", "True", timeout_seconds=READY_SECONDS)
        env.simulator.job_message = lambda pod: None
        late.create().until("Ready", "Unknown", "Provisioning", timeout_seconds=READY_SECONDS)
        env.operator.settle()
        usual = max(change(env, orders, most=4, seconds=READY_SECONDS).values())
        env.operator.settle()
        fault.inject(env)
        with ThreadPoolExecutor(1) as beside:
            provisioning = beside.submit(provision, env, late, seconds=fault.seconds + usual)
            took = change(env, orders, most=5, seconds=fault.seconds + usual) | provisioning.result()
        for each in (orders, late):
            each.until("Ready", "True", timeout_seconds=READY_SECONDS)
        env.assert_sound()
        return took | {"usual": usual}


def change(env: Environment, resource: Resource, *, most: int, seconds: float) -> dict[str, float]:
    """Edit the spec and delete the Service; the seconds until the operator has answered each."""
    service = env.admin.get(resource.child("Service", "api"))
    assert service is not None
    resource.edit(scaling={"api": {"max": most}})
    env.admin.delete(service)
    start = time.monotonic()
    return {
        "edit": within(seconds, lambda: highest(resource) == most, since=start, what="the edit is carried out"),
        "deletion": within(seconds, lambda: is_new(env, service), since=start, what="the Service is back"),
    }


def provision(env: Environment, resource: Resource, *, seconds: float) -> dict[str, float]:
    """Let the provision Job end; the seconds from then on until the operator reports it."""
    (job,) = [each for (kind, _), each in resource.children().items() if kind == "Job"]
    env.simulator.job_message = provisioned
    ended = lambda: condition(env.admin.get(job) or {}, "Complete").get("status") == "True"  # noqa: E731
    eventually(ended, what="the Job ends", timeout_seconds=READY_SECONDS)
    is_reported = lambda: resource.condition("Provisioned").get("status") == "True"  # noqa: E731
    return {"end of a Job": within(seconds, is_reported, since=time.monotonic(), what="the end of the Job is reported")}


def highest(resource: Resource) -> int:
    """How many replicas the autoscaler allows."""
    live = resource.client.get(resource.child("HorizontalPodAutoscaler", "api"))
    return int(live["spec"]["maxReplicas"]) if live else 0


def is_new(env: Environment, service: Manifest) -> bool:
    """Whether there is another one of the same name."""
    live = env.admin.get(service)
    return live is not None and live["metadata"]["uid"] != service["metadata"]["uid"]


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, access: OperatorAccess) -> Iterator[dict[str, Future[dict[str, float]]]]:
    """Every fault that is asked for, under way."""
    items = [item for item in request.session.items if item.path == request.path]
    chosen = {item.callspec.params["name"] for item in items if isinstance(item, pytest.Function)}
    with FaultProxy(access.config) as proxy, ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(run, FAULTS[name], access, proxy) for name in FAULTS if name in chosen}


@pytest.mark.thorough
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_missed_for_long_and_there_is_no_storm(runs: dict[str, Future[dict[str, float]]], name: str) -> None:
    print(f"{name}:", ", ".join(f"{what} {seconds:.1f} s" for what, seconds in runs[name].result().items()))
