"""Whatever a list says, or does not say: everything is known in the end, and nothing old is carried out."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from fairlead_operator.kube import client as client_module

from ..client import Client, Manifest
from ..ground import Ground
from ..operator.apisvc import Resource
from ..waiting import eventually
from . import actions, streams
from .exchange import Request
from .proxy import FaultProxy
from .scene import READY_SECONDS, RECOVERY_SECONDS, Scene, scene, within

PAGE_SIZE = 1
LARGE_MAPS = 10
LARGE_BYTES = 1_000_000
CHUNK_PAUSE_SECONDS = 0.15
# kopf lists whole ApiServices, and an informer their metadata.
FORMS = {"apisvcs": 2}
BEGINNINGS = ("apisvcs", "serviceaccounts", "configmaps", "services", "deployments", "horizontalpodautoscalers")


def autoscaler(resource: Resource) -> Manifest:
    """What names its HorizontalPodAutoscaler."""
    return resource.child("HorizontalPodAutoscaler", "api")


def highest(resource: Resource) -> int:
    """How many replicas the autoscaler allows."""
    live = resource.client.get(autoscaler(resource))
    return int(live["spec"]["maxReplicas"]) if live else 0


def made(here: Scene) -> Resource:
    """A resource that is ready, and its operator at rest."""
    resource = here.resource().create()
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    here.operator.settle()
    return resource


def versions_of(resource: Resource) -> dict[tuple[str, str], str]:
    """The version of each of its children."""
    return {name: each["metadata"]["resourceVersion"] for name, each in resource.children().items()}


def requests_about(here: Scene, resource: Resource, *, since: int) -> list[Request]:
    """Reads of the resource alone, from that number in the record on."""
    read = lambda each: (each.replica, each.method, each.resource) == (here.name, "GET", "apisvcs")  # noqa: E731
    return [each for each in here.proxy.requests[since:] if read(each) and each.name == resource.name]


@contextlib.contextmanager
def history(client: Client, manifest: Manifest) -> Iterator[list[Manifest]]:
    """Every version of an object that there is while the block runs; complete at its end."""
    metadata = manifest["metadata"]
    path = client.path(manifest["apiVersion"], manifest["kind"], namespace=metadata["namespace"])
    live = client.get(manifest)
    assert live is not None
    versions = [live]
    yield versions
    name, since = f"metadata.name={metadata['name']}", live["metadata"]["resourceVersion"]
    versions += client.watch(path, resourceVersion=since, timeoutSeconds="1", fieldSelector=name)


def expired_token(here: Scene) -> None:
    """The second page of every list is answered with 410; the list is read anew, in one."""
    here.start()
    resource = made(here)
    here.operator.stop()
    seconds = here.proxy.rule(
        lambda each: each.replica == here.name and "continue" in each.query,
        actions.answer(410, reason="Expired"),
        count=None,
    )
    since, start = len(here.proxy.requests), time.monotonic()
    here.start()
    assert time.monotonic() - start < RECOVERY_SECONDS
    assert {each.resource for each in seconds.hits} >= {"configmaps", "networkpolicies"}
    here.operator.settle()
    assert here.operator.writes() == []
    assert requests_about(here, resource, since=since) == []
    runtime = next(each for (_, name), each in resource.children().items() if "-runtime-" in name)
    here.admin.delete(runtime)
    eventually(lambda: here.admin.get(runtime), what="the ConfigMap is back", timeout_seconds=RECOVERY_SECONDS)


def slow_and_large(here: Scene) -> None:
    """A list of ten megabytes that comes in slow pieces is read to its end, once."""
    for number in range(LARGE_MAPS):
        labels = {"fairlead.dev/apisvc": "elsewhere"}
        metadata = {"name": f"large-{number}", "namespace": here.name, "labels": labels}
        data = {"text": "x" * LARGE_BYTES}
        here.admin.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    slow = here.proxy.rule(
        streams.is_list("configmaps", replica=here.name), streams.in_chunks(CHUNK_PAUSE_SECONDS), count=None
    )
    here.start()
    made(here)
    pages = len(slow.hits)
    assert pages == -(-LARGE_MAPS // PAGE_SIZE)


def old_resources(here: Scene) -> None:
    """An operator that starts from an old list never takes the children back, and learns of an edit in time."""
    past = streams.Frozen()
    lists, watches = (match("apisvcs", replica=here.name) for match in (streams.is_list, streams.is_watch))
    here.start()
    resource = made(here)
    here.operator.stop()
    here.proxy.rule(lists, past.remember, count=FORMS["apisvcs"])
    here.start()
    resource.edit(scaling={"api": {"max": 5}})
    eventually(lambda: highest(resource) == 5, what="the edit is carried out")
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    here.operator.stop()
    frozen = [here.proxy.rule(match, past.act, count=None) for match in (lists, watches)]
    since = len(here.proxy.requests)
    with history(here.admin, autoscaler(resource)) as versions:
        here.start()
        eventually(lambda: requests_about(here, resource, since=since), what="it is read alone")
        here.operator.settle()
        assert here.operator.writes() == []
        resource.edit(scaling={"api": {"max": 7}})
        here.operator.resync()
        for rule in frozen:
            rule.end()
        start = time.monotonic()
        within(RECOVERY_SECONDS, lambda: highest(resource) == 7, since=start, what="the last edit is carried out")
    assert [each["spec"]["maxReplicas"] for each in versions] == sorted(
        each["spec"]["maxReplicas"] for each in versions
    )
    assert versions[0]["spec"]["maxReplicas"] == 5


def old_children(here: Scene) -> None:
    """An operator that starts from lists older than the children leaves them as they are."""
    past = streams.Frozen()
    kinds = ("services", "deployments", "horizontalpodautoscalers")
    for each in kinds:
        here.proxy.rule(streams.is_list(each, replica=here.name), past.remember)
    here.start()
    resource = made(here)
    here.operator.stop()
    before = resource.children()
    frozen = [
        here.proxy.rule(match(each, replica=here.name), past.act, count=None)
        for each in kinds
        for match in (streams.is_list, streams.is_watch)
    ]
    here.start()
    eventually(lambda: any(each.code == 409 for each in here.operator.sent), what="a create found the child there")
    here.operator.settle()
    for rule in frozen:
        rule.end()
    service = before["Service", "orders-api"]
    here.admin.delete(service)
    start = time.monotonic()
    within(RECOVERY_SECONDS, lambda: here.admin.get(service), since=start, what="the Service is back")
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    after = resource.children()
    assert set(after) == set(before)
    assert {name for name, each in after.items() if each["metadata"]["uid"] != before[name]["metadata"]["uid"]} == {
        ("Service", "orders-api")
    }


def old_beginnings(here: Scene) -> None:
    """An operator that starts from lists older than anything it did leaves all of that as it is."""
    past = streams.Frozen()
    resource = here.resource().create()
    for kind in BEGINNINGS:
        here.proxy.rule(streams.is_list(kind, replica=here.name), past.remember, count=FORMS.get(kind, 1))
    here.start()
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    resource.edit(scaling={"api": {"max": 5}})
    eventually(lambda: highest(resource) == 5, what="the edit is carried out")
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    here.operator.settle()
    here.operator.stop()
    before = versions_of(resource)
    frozen = [
        here.proxy.rule(match(kind, replica=here.name), past.act, count=None)
        for kind in BEGINNINGS
        for match in (streams.is_list, streams.is_watch)
    ]
    since = len(here.proxy.requests)
    here.start()
    eventually(lambda: requests_about(here, resource, since=since), what="it is read alone")
    here.operator.settle()
    assert any(each.code == 409 for each in here.operator.sent), "no create found its child there"
    assert versions_of(resource) == before
    for rule in frozen:
        rule.end()
    service = resource.child("Service", "api")
    here.admin.delete(service)
    eventually(lambda: here.admin.get(service), what="the Service is back")
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)


STORIES = (expired_token, slow_and_large, old_resources, old_children, old_beginnings)


def tell(story: Callable[[Scene], None], ground: Ground, proxy: FaultProxy) -> None:
    """One scene, to its sound end."""
    with scene(ground, proxy) as here:
        story(here)
        here.assert_sound()


@pytest.fixture(scope="module")
def scenes(request: pytest.FixtureRequest, ground: Ground) -> Iterator[dict[str, Future[None]]]:
    """Every scene that is asked for, under way, with pages of one object."""
    items = [item for item in request.session.items if item.path == request.path]
    chosen = {item.callspec.params["story"] for item in items if isinstance(item, pytest.Function)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "PAGE_SIZE", PAGE_SIZE)
        with FaultProxy(ground.config) as proxy, ThreadPoolExecutor(len(STORIES)) as pool:
            yield {each.__name__: pool.submit(tell, each, ground, proxy) for each in STORIES if each in chosen}


@pytest.mark.parametrize("story", STORIES)
def test_lists(scenes: dict[str, Future[None]], story: Callable[[Scene], None]) -> None:
    scenes[story.__name__].result()
