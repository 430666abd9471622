"""Whatever a list says, or does not say: everything is known in the end, and nothing old is carried out."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from fairlead_operator.kube import client as client_module

from ..access import OperatorAccess
from ..client import Client, Manifest
from ..operator.apisvc import Resource
from ..waiting import eventually
from . import actions, streams
from .environment import READY_SECONDS, RECOVERY_SECONDS, Environment, environment, within
from .exchange import Request
from .proxy import FaultProxy

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


def made(env: Environment) -> Resource:
    """A resource that is ready, and its operator at rest."""
    resource = env.resource().create()
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    env.operator.settle()
    return resource


def versions_of(resource: Resource) -> dict[tuple[str, str], str]:
    """The version of each of its children."""
    return {name: each["metadata"]["resourceVersion"] for name, each in resource.children().items()}


def requests_about(env: Environment, resource: Resource, *, since: int) -> list[Request]:
    """Reads of the resource alone, from that number in the record on."""
    read = lambda each: (each.replica, each.method, each.resource) == (env.name, "GET", "apisvcs")  # noqa: E731
    return [each for each in env.proxy.requests[since:] if read(each) and each.name == resource.name]


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


def expired_token(env: Environment) -> None:
    """The second page of every list is answered with 410; the list is read again, in one."""
    env.start()
    resource = made(env)
    env.operator.stop()
    seconds = env.proxy.rule(
        lambda each: each.replica == env.name and "continue" in each.query,
        actions.answer(410, reason="Expired"),
        count=None,
    )
    since, start = len(env.proxy.requests), time.monotonic()
    env.start()
    assert time.monotonic() - start < RECOVERY_SECONDS
    assert {each.resource for each in seconds.hits} >= {"configmaps", "networkpolicies"}
    env.operator.settle()
    assert env.operator.writes() == []
    assert requests_about(env, resource, since=since) == []
    runtime = next(each for (_, name), each in resource.children().items() if "-runtime-" in name)
    env.admin.delete(runtime)
    eventually(lambda: env.admin.get(runtime), what="the ConfigMap is back", timeout_seconds=RECOVERY_SECONDS)


def slow_and_large(env: Environment) -> None:
    """A list of ten megabytes that comes in slow pieces is read to its end, once."""
    for number in range(LARGE_MAPS):
        labels = {"fairlead.dev/apisvc": "elsewhere"}
        metadata = {"name": f"large-{number}", "namespace": env.name, "labels": labels}
        data = {"text": "x" * LARGE_BYTES}
        env.admin.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    slow = env.proxy.rule(
        streams.is_list("configmaps", replica=env.name), streams.in_chunks(CHUNK_PAUSE_SECONDS), count=None
    )
    env.start()
    made(env)
    pages = len(slow.hits)
    assert pages == -(-LARGE_MAPS // PAGE_SIZE)


def old_resources(env: Environment) -> None:
    """An operator that starts from an old list never reverts the children, and learns of an edit in time."""
    past = streams.Frozen()
    lists, watches = (match("apisvcs", replica=env.name) for match in (streams.is_list, streams.is_watch))
    env.start()
    resource = made(env)
    env.operator.stop()
    env.proxy.rule(lists, past.remember, count=FORMS["apisvcs"])
    env.start()
    resource.edit(scaling={"api": {"max": 5}})
    eventually(lambda: highest(resource) == 5, what="the edit is carried out")
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    env.operator.stop()
    frozen = [env.proxy.rule(match, past.act, count=None) for match in (lists, watches)]
    since = len(env.proxy.requests)
    with history(env.admin, autoscaler(resource)) as versions:
        env.start()
        eventually(lambda: requests_about(env, resource, since=since), what="it is read alone")
        env.operator.settle()
        assert env.operator.writes() == []
        resource.edit(scaling={"api": {"max": 7}})
        env.operator.resync()
        for rule in frozen:
            rule.end()
        start = time.monotonic()
        within(RECOVERY_SECONDS, lambda: highest(resource) == 7, since=start, what="the last edit is carried out")
    assert [each["spec"]["maxReplicas"] for each in versions] == sorted(
        each["spec"]["maxReplicas"] for each in versions
    )
    assert versions[0]["spec"]["maxReplicas"] == 5


def old_children(env: Environment) -> None:
    """An operator that starts from lists older than the children leaves them as they are."""
    past = streams.Frozen()
    kinds = ("services", "deployments", "horizontalpodautoscalers")
    for each in kinds:
        env.proxy.rule(streams.is_list(each, replica=env.name), past.remember)
    env.start()
    resource = made(env)
    env.operator.stop()
    before = resource.children()
    frozen = [
        env.proxy.rule(match(each, replica=env.name), past.act, count=None)
        for each in kinds
        for match in (streams.is_list, streams.is_watch)
    ]
    env.start()
    eventually(lambda: any(each.code == 409 for each in env.operator.sent), what="a create found the child there")
    env.operator.settle()
    for rule in frozen:
        rule.end()
    service = before["Service", "orders-api"]
    env.admin.delete(service)
    start = time.monotonic()
    within(RECOVERY_SECONDS, lambda: env.admin.get(service), since=start, what="the Service is back")
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    after = resource.children()
    assert set(after) == set(before)
    assert {name for name, each in after.items() if each["metadata"]["uid"] != before[name]["metadata"]["uid"]} == {
        ("Service", "orders-api")
    }


def old_beginnings(env: Environment) -> None:
    """An operator that starts from lists older than anything it did leaves all of that as it is."""
    past = streams.Frozen()
    resource = env.resource().create()
    for kind in BEGINNINGS:
        env.proxy.rule(streams.is_list(kind, replica=env.name), past.remember, count=FORMS.get(kind, 1))
    env.start()
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    resource.edit(scaling={"api": {"max": 5}})
    eventually(lambda: highest(resource) == 5, what="the edit is carried out")
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
    env.operator.settle()
    env.operator.stop()
    before = versions_of(resource)
    frozen = [
        env.proxy.rule(match(kind, replica=env.name), past.act, count=None)
        for kind in BEGINNINGS
        for match in (streams.is_list, streams.is_watch)
    ]
    since = len(env.proxy.requests)
    env.start()
    eventually(lambda: requests_about(env, resource, since=since), what="it is read alone")
    env.operator.settle()
    assert any(each.code == 409 for each in env.operator.sent), "no create found its child there"
    assert versions_of(resource) == before
    for rule in frozen:
        rule.end()
    service = resource.child("Service", "api")
    env.admin.delete(service)
    eventually(lambda: env.admin.get(service), what="the Service is back")
    resource.until("Ready", "True", timeout_seconds=READY_SECONDS)


SCENARIOS = (expired_token, slow_and_large, old_resources, old_children, old_beginnings)


def run(scenario: Callable[[Environment], None], access: OperatorAccess, proxy: FaultProxy) -> None:
    """Run one scenario, and check the operator at its end."""
    with environment(access, proxy) as env:
        scenario(env)
        env.assert_sound()


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, access: OperatorAccess) -> Iterator[dict[str, Future[None]]]:
    """Every scenario that is asked for, under way, with pages of one object."""
    items = [item for item in request.session.items if item.path == request.path]
    chosen = {item.callspec.params["scenario"] for item in items if isinstance(item, pytest.Function)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "PAGE_SIZE", PAGE_SIZE)
        with FaultProxy(access.config) as proxy, ThreadPoolExecutor(len(SCENARIOS)) as pool:
            yield {each.__name__: pool.submit(run, each, access, proxy) for each in SCENARIOS if each in chosen}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_lists(runs: dict[str, Future[None]], scenario: Callable[[Environment], None]) -> None:
    runs[scenario.__name__].result()
