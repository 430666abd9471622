"""What an ApiService says comes by kopf; the metadata of it are watched beside, and make up for what kopf misses."""

import re
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection

import pytest

from ..access import OperatorAccess
from ..operator.apisvc import Resource
from ..operator.harness import side_by_side
from ..waiting import eventually
from . import streams
from .actions import Action
from .environment import READY_SECONDS, RECOVERY_SECONDS, Environment, environment, within
from .exchange import Request
from .proxy import FaultProxy

AT_ONCE_SECONDS = 1.0
NEVER_SECONDS = 6.0
_COUNT = re.compile(r"^fairlead_operator_kopf_(restarts|missed_events)_total\{.*\} (\S+)$", re.MULTILINE)


def highest(resource: Resource) -> int:
    """How many replicas the autoscaler allows."""
    live = resource.client.get(resource.child("HorizontalPodAutoscaler", "api"))
    return int(live["spec"]["maxReplicas"]) if live else 0


def counts(env: Environment) -> dict[str, float]:
    """How often kopf was restarted, and how many objects had to be fetched."""
    connection = HTTPConnection("127.0.0.1", env.operator.settings.port, timeout=30.0)
    with closing(connection):
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    found = {"restarts": 0.0, "missed_events": 0.0}
    for name, value in _COUNT.findall(text):
        found[name] += float(value)
    return found


def by_kopf(env: Environment, *methods: str) -> Callable[[Request], bool]:
    """Whether a request is kopf's, about ApiServices."""
    return lambda each: _about(env, each, methods) and not each.is_metadata


def by_metadata(env: Environment, *methods: str) -> Callable[[Request], bool]:
    """Whether a request asks for the metadata of ApiServices."""
    return lambda each: _about(env, each, methods) and each.is_metadata


def _about(env: Environment, each: Request, methods: tuple[str, ...]) -> bool:
    return each.replica == env.name and each.resource == "apisvcs" and each.method in methods and not each.name


def hold(env: Environment, match: Callable[[Request], bool], action: Action, *, count: int | None = None) -> None:
    """Have these meet the action from now on; returns when one has."""
    rule = env.proxy.rule(match, action, count=count)
    env.proxy.cut(match)
    eventually(lambda: rule.hits, what="one has met it")


def made(env: Environment) -> Resource:
    """A resource that is ready, and its operator at rest."""
    env.start()
    resource = env.resource().create()
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    env.operator.settle()
    return resource


def edit(resource: Resource, most: int) -> float:
    """Edit the spec; when."""
    resource.edit(scaling={"api": {"max": most}})
    return time.monotonic()


def kopf_alone(env: Environment) -> None:
    """With the metadata held back an edit arrives at once; with kopf held back as well it never does."""
    resource = made(env)
    hold(env, by_metadata(env, "GET", "WATCH"), streams.hung)
    # Three, for the machine may have something else to do at one of the moments.
    took = min(seconds_of_an_edit(env, resource, most) for most in (4, 5, 7))
    assert took < AT_ONCE_SECONDS + usual(env, resource)
    hold(env, by_kopf(env, "GET", "WATCH"), streams.hung)
    edit(resource, 6)
    time.sleep(NEVER_SECONDS)
    assert highest(resource) != 6
    env.operator.stop()


def seconds_of_an_edit(env: Environment, resource: Resource, most: int) -> float:
    """How long an edit takes that comes when the operator is at rest."""
    env.operator.settle()
    since = edit(resource, most)
    return within(READY_SECONDS, lambda: highest(resource) == most, since=since, what="the edit is carried out")


def usual(env: Environment, resource: Resource) -> float:
    """How long a change that is known takes on this machine, as it is now: a Service is put back."""
    service = env.admin.get(resource.child("Service", "api"))
    assert service is not None
    env.admin.delete(service)
    since = time.monotonic()
    return within(READY_SECONDS, lambda: env.admin.get(service), since=since, what="the Service is back")


def a_bookmark_past_an_event(env: Environment) -> None:
    """An event is lost, and a bookmark carries kopf past it; the metadata show it."""
    resource = made(env)
    hold(env, by_kopf(env, "WATCH"), streams.lossy)
    limit = RECOVERY_SECONDS + usual(env, resource)
    for most in (4, 5):
        env.operator.settle()  # else an answer to a write of a status may show the edit first
        since = edit(resource, most)
        within(limit, lambda m=most: highest(resource) == m, since=since, what="it is carried out")  # type: ignore[misc]
    eventually(lambda: counts(env)["restarts"] >= 1, what="kopf is restarted")
    assert counts(env)["missed_events"] >= 2
    env.assert_sound()


def kopf_is_silent(env: Environment) -> None:
    """Lists and watches of kopf's hang: each edit is fetched."""
    resource = made(env)
    hold(env, by_kopf(env, "GET", "WATCH"), streams.hung)
    since = edit(resource, 4)
    within(RECOVERY_SECONDS + usual(env, resource), lambda: highest(resource) == 4, since=since, what="it is done")
    env.assert_sound()


def a_deletion_after_a_410(env: Environment) -> None:
    """kopf never reports what is deleted while it lists again."""
    resource = made(env)
    hold(env, by_kopf(env, "WATCH"), streams.error(410))
    resource.delete()
    gone = lambda: env.operator.operator and (env.name, resource.name) not in env.operator.operator.cache.services  # noqa: E731
    since = time.monotonic()
    within(RECOVERY_SECONDS, gone, since=since, what="the deletion is noticed")
    resource.until_gone()
    env.assert_sound()


def nothing_is_missed_without_a_fault(env: Environment) -> None:
    """Without a fault kopf brings everything, and is never restarted."""
    resource = made(env)
    for most in (4, 5, 6):
        edit(resource, most)
        resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    resource.delete()
    resource.until_gone()
    assert counts(env) == {"restarts": 0.0, "missed_events": 0.0}
    env.assert_sound()


SCENARIOS = (
    kopf_alone,
    a_bookmark_past_an_event,
    kopf_is_silent,
    a_deletion_after_a_410,
    nothing_is_missed_without_a_fault,
)


@pytest.mark.timeout(600)
def test_the_front(access: OperatorAccess, before_operators: FaultProxy) -> None:
    def run(scenario: Callable[[Environment], None]) -> None:
        with environment(access, before_operators) as env:
            scenario(env)

    side_by_side(*(lambda scenario=scenario: run(scenario) for scenario in SCENARIOS))  # type: ignore[misc]
