"""What an ApiService says comes by kopf; the metadata of it are watched beside, and make up for what kopf misses."""

import re
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection

import pytest

from ..ground import Ground
from ..operator.apisvc import Resource
from ..operator.harness import side_by_side
from ..waiting import eventually
from . import streams
from .actions import Action
from .exchange import Request
from .proxy import FaultProxy
from .scene import READY_SECONDS, RECOVERY_SECONDS, Scene, scene, within

AT_ONCE_SECONDS = 1.0
NEVER_SECONDS = 6.0
_COUNT = re.compile(r"^fairlead_operator_kopf_(restarts|missed_events)_total\{.*\} (\S+)$", re.MULTILINE)


def highest(resource: Resource) -> int:
    """How many replicas the autoscaler allows."""
    live = resource.client.get(resource.child("HorizontalPodAutoscaler", "api"))
    return int(live["spec"]["maxReplicas"]) if live else 0


def counts(here: Scene) -> dict[str, float]:
    """How often kopf was started anew, and how many objects had to be fetched."""
    connection = HTTPConnection("127.0.0.1", here.operator.settings.port, timeout=30.0)
    with closing(connection):
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    found = {"restarts": 0.0, "missed_events": 0.0}
    for name, value in _COUNT.findall(text):
        found[name] += float(value)
    return found


def by_kopf(here: Scene, *methods: str) -> Callable[[Request], bool]:
    """Whether a request is kopf's, about ApiServices."""
    return lambda each: _about(here, each, methods) and not each.is_metadata


def by_metadata(here: Scene, *methods: str) -> Callable[[Request], bool]:
    """Whether a request asks for the metadata of ApiServices."""
    return lambda each: _about(here, each, methods) and each.is_metadata


def _about(here: Scene, each: Request, methods: tuple[str, ...]) -> bool:
    return each.replica == here.name and each.resource == "apisvcs" and each.method in methods and not each.name


def hold(here: Scene, match: Callable[[Request], bool], action: Action, *, count: int | None = None) -> None:
    """Have these meet the action from now on; returns when one has."""
    rule = here.proxy.rule(match, action, count=count)
    here.proxy.cut(match)
    eventually(lambda: rule.hits, what="one has met it")


def made(here: Scene) -> Resource:
    """A resource that is ready, and its operator at rest."""
    here.start()
    resource = here.resource().create()
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    here.operator.settle()
    return resource


def edit(resource: Resource, most: int) -> float:
    """Edit the spec; when."""
    resource.edit(scaling={"api": {"max": most}})
    return time.monotonic()


def kopf_alone(here: Scene) -> None:
    """With the metadata held back an edit arrives at once; with kopf held back as well it never does."""
    resource = made(here)
    hold(here, by_metadata(here, "GET", "WATCH"), streams.hung)
    # Three, for the machine may have something else to do at one of the moments.
    took = min(seconds_of_an_edit(here, resource, most) for most in (4, 5, 7))
    assert took < AT_ONCE_SECONDS + usual(here, resource)
    hold(here, by_kopf(here, "GET", "WATCH"), streams.hung)
    edit(resource, 6)
    time.sleep(NEVER_SECONDS)
    assert highest(resource) != 6
    here.operator.stop()


def seconds_of_an_edit(here: Scene, resource: Resource, most: int) -> float:
    """How long an edit takes that comes when the operator is at rest."""
    here.operator.settle()
    since = edit(resource, most)
    return within(READY_SECONDS, lambda: highest(resource) == most, since=since, what="the edit is carried out")


def usual(here: Scene, resource: Resource) -> float:
    """How long a change that is known takes on this machine, as it is now: a Service is put back."""
    service = here.admin.get(resource.child("Service", "api"))
    assert service is not None
    here.admin.delete(service)
    since = time.monotonic()
    return within(READY_SECONDS, lambda: here.admin.get(service), since=since, what="the Service is back")


def a_bookmark_past_an_event(here: Scene) -> None:
    """An event is lost, and a bookmark carries kopf past it; the metadata tell of it."""
    resource = made(here)
    hold(here, by_kopf(here, "WATCH"), streams.lossy)
    patience = RECOVERY_SECONDS + usual(here, resource)
    for most in (4, 5):
        here.operator.settle()  # else an answer to a write of a status may tell of the edit first
        since = edit(resource, most)
        within(patience, lambda m=most: highest(resource) == m, since=since, what="it is carried out")  # type: ignore[misc]
    eventually(lambda: counts(here)["restarts"] >= 1, what="kopf is started anew")
    assert counts(here)["missed_events"] >= 2
    here.assert_sound()


def kopf_is_silent(here: Scene) -> None:
    """Lists and watches of kopf's hang: each edit is fetched."""
    resource = made(here)
    hold(here, by_kopf(here, "GET", "WATCH"), streams.hung)
    since = edit(resource, 4)
    within(RECOVERY_SECONDS + usual(here, resource), lambda: highest(resource) == 4, since=since, what="it is done")
    here.assert_sound()


def a_deletion_after_a_410(here: Scene) -> None:
    """Of what is deleted while kopf lists anew it never tells."""
    resource = made(here)
    hold(here, by_kopf(here, "WATCH"), streams.error(410))
    resource.delete()
    gone = lambda: here.operator.operator and (here.name, resource.name) not in here.operator.operator.cache.services  # noqa: E731
    since = time.monotonic()
    within(RECOVERY_SECONDS, gone, since=since, what="the deletion is noticed")
    resource.until_gone()
    here.assert_sound()


def nothing_is_missed_in_peace(here: Scene) -> None:
    """Without a fault kopf brings everything, and is never started anew."""
    resource = made(here)
    for most in (4, 5, 6):
        edit(resource, most)
        resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    resource.delete()
    resource.until_gone()
    assert counts(here) == {"restarts": 0.0, "missed_events": 0.0}
    here.assert_sound()


STORIES = (
    kopf_alone,
    a_bookmark_past_an_event,
    kopf_is_silent,
    a_deletion_after_a_410,
    nothing_is_missed_in_peace,
)


@pytest.mark.timeout(600)
def test_the_front(ground: Ground, before_operators: FaultProxy) -> None:
    def tell(story: Callable[[Scene], None]) -> None:
        with scene(ground, before_operators) as here:
            story(here)

    side_by_side(*(lambda story=story: tell(story) for story in STORIES))  # type: ignore[misc]
