"""`fairlead plan` on a real API server: what it says is what the operator then does, and it writes nothing itself."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from fairlead_cli.__main__ import app
from fairlead_contract import names
from fairlead_operator.kube import kinds
from fairlead_operator.kube.transport import Transport

from ..client import ApiError, Client, Manifest
from ..identity import Identity, await_grant
from ..operator.apisvc import Resource
from ..operator.harness import Running, example
from ..simulator import Simulator
from ..waiting import eventually

CHANGES = 3
# Made by controllers, some time after the namespace.
OF_EVERY_NAMESPACE = {"default", "kube-root-ca.crt"}
WRITES = {"create": "PATCH", "change": "PATCH", "delete": "DELETE"}


@dataclass(frozen=True)
class Answer:
    """What the command printed."""

    code: int
    out: str
    error: str

    def objects(self) -> dict[tuple[str, str], Manifest]:
        """By kind and name."""
        [resource] = json.loads(self.out)["resources"]
        return {(each["kind"], each["name"]): each for each in resource["objects"]}

    def actions(self) -> dict[tuple[str, str], str]:
        """What is not left as it is."""
        found = {key: str(each["action"]) for key, each in self.objects().items()}
        return {key: action for key, action in found.items() if action != "unchanged"}


@pytest.fixture
def config(admin_config: Path) -> Path:
    return admin_config


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "resource.yaml"


@pytest.fixture
def plan(config: Path, file: Path) -> Callable[..., Answer]:
    """Run the command on a manifest."""

    def run(manifest: Manifest, *arguments: str, kubeconfig: Path | None = None) -> Answer:
        file.write_text(yaml.safe_dump(manifest))
        chosen = ["--kubeconfig", str(kubeconfig or config)]
        done = CliRunner().invoke(app, ["plan", "-f", str(file), *chosen, "--exit-code", *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Answer(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture(autouse=True)
def writes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str, dict[str, str]]]]:
    """Every write that the command sent; each was a dry run."""
    sent: list[tuple[str, str, dict[str, str]]] = []
    original = Transport.send

    async def record(self: Transport, method: str, path: str, **given: Any) -> Manifest:
        if method != "GET" and threading.current_thread() is threading.main_thread():  # operators run in others
            sent.append((method, path, given["parameters"]))
        return await original(self, method, path, **given)

    monkeypatch.setattr(Transport, "send", record)
    yield sent
    assert [each for each in sent if each[2].get("dryRun") != "All"] == []


def everything(admin: Client, namespace: str) -> dict[tuple[str, str], str]:
    """The resource version of every object that a plan could be about."""
    asked = [*kinds.CHILDREN, kinds.API_SERVICE]
    return {
        (kind.name, each["metadata"]["name"]): each["metadata"]["resourceVersion"]
        for kind in asked
        for each in admin.list(kind.api_version, kind.name, namespace=namespace)
        if each["metadata"]["name"] not in OF_EVERY_NAMESPACE
    }


def written(operator: Running, *, since: int) -> set[tuple[str, str, str]]:
    """Method, plural and name of every child that the operator wrote."""
    found = [each for each in operator.writes()[since:] if "/apisvcs/" not in each.path]
    return {(each.method, *each.path.rsplit("/", 2)[1:]) for each in found}  # type: ignore[misc]


def expected(answer: Answer) -> set[tuple[str, str, str]]:
    """The same, as the plan has it."""
    objects = answer.objects()
    return {
        (WRITES[action], kinds.find(objects[key]["group"], key[0]).plural, key[1])
        for key, action in answer.actions().items()
        if key[0] != "ApiService"
    }


def test_what_is_planned_is_what_the_operator_does(
    admin: Client,
    namespace: str,
    operator: Running,
    simulator: Simulator,
    orders: Resource,
    plan: Callable[..., Answer],
    writes: list[Any],
    tmp_path: Path,
) -> None:
    manifest = orders.manifest
    same = plan(manifest, "--output", "json")
    assert (same.code, same.actions()) == (0, {})
    assert len(same.objects()) > 12

    # Another class, from a file, with another image.
    class_ = tmp_path / "class.yaml"
    spec = {"runtime": {"image": "registry.example/other:1"}}
    head = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiServiceClass", "metadata": {"name": "other"}}
    class_.write_text(yaml.safe_dump(head | {"spec": spec}))
    changed = plan(manifest, "--class", str(class_), "--output", "json")
    image = {"path": "spec.template.spec.containers[api].image", "before": operator.settings.image}
    assert changed.objects()["Deployment", "orders-api"]["fields"] == [image | {"after": "registry.example/other:1"}]
    assert set(changed.actions()) == {("Deployment", "orders-api"), ("Deployment", "orders-worker")}

    # An edit of the document, then one that takes whole objects away.
    title = example(namespace, api=manifest["spec"]["api"] | {"title": "Other"})
    sync = [
        {key: value for key, value in each.items() if key != "writes"} for each in title["spec"]["api"]["resources"]
    ]
    without = example(namespace, api=title["spec"]["api"] | {"resources": sync}, queue=None, worker=None)
    for edited in (title, without):
        before = everything(admin, namespace)
        answer = plan(edited, "--output", "json")
        assert answer.code == CHANGES
        assert answer.actions()["ApiService", "orders"] == "change"
        assert everything(admin, namespace) == before
        since = len(operator.writes())
        live = orders.live()
        admin.replace(live | {"spec": edited["spec"]})
        orders.until("Ready", "True")
        operator.settle()
        assert written(operator, since=since) == expected(answer)
        again = plan(edited, "--output", "json")
        assert (again.code, again.actions()) == (0, {})
    assert ("DELETE", "deployments", "orders-worker") in expected(answer)
    assert writes


@pytest.mark.usefixtures("simulator")
def test_the_operators_page_of_runbooks_is_no_change(
    start: Callable[..., Running],
    make: Callable[..., Resource],
    plan: Callable[..., Answer],
) -> None:
    operator = start(runbooks="https://runbooks.example/alerts")
    resource = make()
    resource.until("Ready", "True")
    operator.settle()
    same = plan(resource.manifest, "--output", "json")
    assert (same.code, same.actions()) == (0, {})


def test_people_are_shown_a_line_for_each_object(namespace: str, admin: Client, plan: Callable[..., Answer]) -> None:
    resource = Resource(admin, example(namespace)).create()
    edited = example(namespace, scaling={"api": {"min": 3, "max": 9}})
    edited["metadata"]["annotations"] = {"fairlead.dev/paused": "true"}
    answer = plan(edited)
    lines = answer.out.splitlines()
    assert lines[0] == f"~ ApiService {namespace}/orders, class {class_name(admin)}"
    assert "    spec.scaling.api.max: 20 -> 9" in lines
    assert "  + Deployment orders-api" in lines
    assert "    note: the operator does nothing of this while the annotation fairlead.dev/paused is true" in lines
    assert lines[-1].startswith("Plan: ")
    assert lines[-1].endswith(" to create, 1 to change, 0 to delete, 0 unchanged.")
    assert "\x1b" not in answer.out
    assert resource.live()["metadata"]["generation"] == 1


def class_name(admin: Client) -> str:
    """The class of those who name none, as this cluster has it."""
    marked = [each for each in admin.list("fairlead.dev/v1alpha1", "ApiServiceClass") if each["spec"].get("isDefault")]
    return str(marked[0]["metadata"]["name"]) if marked else "built-in"


def test_an_unowned_object_is_in_the_way(admin: Client, namespace: str, plan: Callable[..., Answer]) -> None:
    head = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "orders-api", "namespace": namespace}}
    admin.create(head | {"spec": {"ports": [{"port": 1234}]}})
    before = everything(admin, namespace)
    answer = plan(example(namespace), "--output", "json")
    assert answer.code == 1
    found = answer.objects()["Service", "orders-api"]
    assert (found["action"], "not this ApiService's" in found["message"]) == ("refused", True)
    assert set(answer.actions().values()) == {"create", "refused"}
    assert everything(admin, namespace) == before


def test_what_admission_refuses_is_reported_with_its_path(
    admin: Client, namespace: str, plan: Callable[..., Answer]
) -> None:
    Resource(admin, example(namespace)).create()
    moved = yaml.safe_load((Path(__file__).parents[3] / "examples" / "products.yaml").read_text())
    moved["metadata"] = {"name": "orders", "namespace": namespace}
    answer = plan(moved, "--output", "json")
    assert answer.code == 1
    [found] = answer.objects().values()
    assert found["action"] == "refused"
    assert "spec.datastore" in found["message"]


def test_what_the_operator_would_refuse_is_reported(namespace: str, plan: Callable[..., Answer]) -> None:
    answer = plan(example(namespace, className="nowhere"))
    assert answer.code == 1
    assert "ClassNotFound: ApiServiceClass nowhere is not there; create it" in answer.out


def test_a_namespace_that_is_not_there_is_reported(plan: Callable[..., Answer]) -> None:
    answer = plan(example("nowhere-at-all"))
    assert (answer.code, answer.out) == (1, "")
    expected = 'fairlead plan: namespaces "nowhere-at-all" not found; kubectl create namespace nowhere-at-all'
    assert expected in answer.error


def test_the_namespace_may_be_given(namespace: str, plan: Callable[..., Answer]) -> None:
    manifest = example(namespace)
    del manifest["metadata"]["namespace"]
    assert f"ApiService {namespace}/orders" in plan(manifest, "--namespace", namespace).out


@pytest.fixture
def user(admin: Client, namespace: str) -> Iterator[Identity]:
    """Somebody who may do nothing yet."""
    identity = Identity(admin, namespace).create()
    yield identity
    identity.remove()


def rules(*verbs: str, but: tuple[kinds.Kind, ...] = ()) -> list[Manifest]:
    """These verbs on all that the operator makes, and on ApiServices."""
    chosen = [kind for kind in (*kinds.CHILDREN, kinds.API_SERVICE) if kind not in but]
    return [{"apiGroups": [kind.group], "resources": [kind.plural], "verbs": list(verbs)} for kind in chosen]


READ_BESIDE = [
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
    {"apiGroups": [names.GROUP], "resources": ["apisvcclasses"], "verbs": ["get", "list"]},
]


def test_a_user_needs_no_more_than_what_is_looked_at_and_tried(
    namespace: str, user: Identity, admin_config: Path, plan: Callable[..., Answer], tmp_path: Path
) -> None:
    kubeconfig = user.kubeconfig(admin_config, tmp_path)
    may_nothing = plan(example(namespace), "--output", "json", kubeconfig=kubeconfig)
    assert may_nothing.code == 1
    denied = f"you may not get apisvcs.fairlead.dev in the namespace {namespace}; ask for a role that allows it"
    assert may_nothing.error.splitlines()[-1] == f"fairlead plan: {denied}"

    user.grant(READ_BESIDE)
    user.grant(rules("get", "list"), namespace=namespace)
    with Client(kubeconfig) as client:
        await_grant(client, "/apis/fairlead.dev/v1alpha1/apisvcclasses")
        await_grant(client, f"/apis/fairlead.dev/v1alpha1/namespaces/{namespace}/apisvcs")
    reader = plan(example(namespace), "--output", "json", kubeconfig=kubeconfig)
    [refused] = reader.objects().values()
    assert refused["message"].startswith(f"you may not create apisvcs.fairlead.dev in the namespace {namespace}; ask")
    assert refused["message"].endswith("(a dry run needs the right to write)")

    user.grant(rules("create", "patch", but=(kinds.NETWORK_POLICY,)), namespace=namespace)
    with Client(kubeconfig) as client:
        allowed_to_try(client, namespace)
    writer = plan(example(namespace), "--output", "json", kubeconfig=kubeconfig)
    refused = [each for each in writer.objects().values() if each["action"] == "refused"]
    assert {each["kind"] for each in refused} == {"NetworkPolicy"}
    assert "you may not patch networkpolicies.networking.k8s.io" in refused[0]["message"]
    assert writer.actions()["Deployment", "orders-api"] == "create"


def allowed_to_try(client: Client, namespace: str) -> None:
    """Wait until the server has learnt of the rules."""

    def tried() -> bool:
        try:
            client.create(example(namespace), dry_run=True)
        except ApiError:
            return False
        return True

    eventually(tried, what="a dry run is allowed")
