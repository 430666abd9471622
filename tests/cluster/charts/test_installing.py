"""helm installs, upgrades and uninstalls the charts, and the operator works with the permissions they give it."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from ..client import Client, Manifest
from ..controlplane import ADMINS, Cluster
from ..identity import LEASE_NAME
from ..operator.harness import Running, example, info, settings
from ..simulator import Simulator
from ..waiting import eventually
from .helm import DEFINITIONS, OPERATOR, Helm

GROUP = "fairlead.dev/v1alpha1"
FLOW_CONTROL = "flowcontrol.apiserver.k8s.io"
CLUSTER_WIDE = (
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    (GROUP, "ApiServiceClass"),
)


def of_release(admin: Client, system: str) -> set[tuple[str, str]]:
    """Kind and name of every object that the release owns cluster-wide."""
    return {
        (kind, each["metadata"]["name"])
        for version, kind in CLUSTER_WIDE
        for each in admin.list(version, kind)
        if each["metadata"].get("annotations", {}).get("meta.helm.sh/release-namespace") == system
    }


def deployment(admin: Client, system: str) -> Manifest | None:
    return admin.get(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "fairlead", "namespace": system}}
    )


def test_the_operator_is_installed_upgraded_and_uninstalled(
    admin: Client, online: Helm, system: str, install: Callable[..., str]
) -> None:
    install()
    made = of_release(admin, system)
    assert {("ApiServiceClass", "standard"), ("ClusterRole", "fairlead-operator")} <= made
    assert len([kind for kind, _ in made if kind == "ValidatingAdmissionPolicy"]) == 3
    eventually(lambda: len(admin.list("v1", "Pod", namespace=system)) == 2, what="there are not two pods")
    install("replicas=3", "policies.secretAccess.enabled=false", "flowControl.enabled=true")
    live = deployment(admin, system)
    assert live
    assert live["spec"]["replicas"] == 3
    assert ("ValidatingAdmissionPolicy", "fairlead-secret-access") not in of_release(admin, system)
    online.run("uninstall", "fairlead", "--namespace", system)
    assert of_release(admin, system) == set()
    eventually(lambda: deployment(admin, system) is None, what="the Deployment is still there")


def test_an_upgrade_without_a_change_changes_nothing(admin: Client, system: str, install: Callable[..., str]) -> None:
    install()
    before = deployment(admin, system)
    install()
    after = deployment(admin, system)
    assert before
    assert after
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


def test_values_that_an_older_release_lacks_have_their_defaults(
    helm: Helm, online: Helm, system: str, tmp_path: Path
) -> None:
    older = tmp_path / "fairlead"
    (older / "templates").mkdir(parents=True)
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "older"}}
    (older / "templates" / "older.yaml").write_text(yaml.safe_dump(head))
    (older / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "fairlead", "version": "0.0.1"}))
    (older / "values.yaml").write_text("replicas: 3\nleaderElection: {leaseSeconds: 20}\n")
    given = ("--namespace", system, "--set", "podLabels.team=platform")
    online.run("install", "fairlead", str(older), *given)
    try:
        online.run("upgrade", "fairlead", str(OPERATOR), "--namespace", system, "--reuse-values")
        deployed = [
            each for each in yaml.safe_load_all(online.run("get", "manifest", "fairlead", "-n", system)) if each
        ]
    finally:
        online.run("uninstall", "fairlead", "--namespace", system)
    settings = ["replicas=3", "leaderElection.leaseSeconds=20", "podLabels.team=platform"]
    assert deployed == helm.manifests(OPERATOR, settings=settings, namespace=system)


def test_a_release_and_a_namespace_may_look_like_numbers(admin: Client, online: Helm) -> None:
    release, name = "1e3", f"{uuid.uuid4().int % 10**9}e3"
    manifest = admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        override = ("--set", "fullnameOverride=fairlead")
        online.run("install", release, str(OPERATOR), "--namespace", name, *override)
        live = deployment(admin, name)
        assert live
        assert live["metadata"]["labels"]["app.kubernetes.io/instance"] == release
    finally:
        online.run("uninstall", release, "--namespace", name, "--ignore-not-found")
        admin.delete(manifest)


def test_the_definitions_and_what_is_defined_outlive_their_chart(
    admin: Client, online: Helm, system: str, namespace: str
) -> None:
    # They are there already, without helm; its own flag takes them over.
    chart = ("fairlead-crds", str(DEFINITIONS), "--namespace", system)
    online.run("install", *chart, "--take-ownership")
    resource = admin.create(example(namespace))
    online.run("upgrade", *chart, "--set", "labels.team=platform")
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    wanted = definition | {"metadata": {"name": "apisvcs.fairlead.dev"}}
    live = admin.get(wanted)
    assert live
    assert live["metadata"]["labels"]["team"] == "platform"
    said = online.run("uninstall", "fairlead-crds", "--namespace", system)
    assert "apisvcs.fairlead.dev" in said
    assert admin.get(wanted)
    assert admin.get(resource)


@pytest.fixture
def simulator(cluster: Cluster, namespace: str) -> Iterator[Simulator]:
    """Pods become ready and Jobs succeed."""
    with Client(cluster.kubeconfig("admin", groups=ADMINS)) as client:
        simulator = Simulator(client, namespace)
        simulator.start()
        yield simulator
        simulator.stop()


def ready(admin: Client, resource: Manifest) -> Manifest | None:
    live = admin.get(resource) or {}
    found = {each["type"]: each["status"] for each in live.get("status", {}).get("conditions", ())}
    return live if found.get("Ready") == "True" else None


def is_of(path: str, namespaces: set[str]) -> bool:
    """Whether it is in one of the namespaces, or in none."""
    _, _, after = path.partition("/namespaces/")
    return not after or after.split("/")[0] in namespaces


def works_with_its_permissions(operator: Running, admin: Client, namespace: str) -> Manifest:
    """Have the operator make, change and delete one ApiService; the resource as it was when it was ready."""
    operator.start()
    try:
        resource = admin.create(example(namespace))
        live = eventually(lambda: ready(admin, resource), what="the ApiService is not ready")
        admin.merge(resource, {"spec": {"scaling": {"api": {"max": 4}}}})
        eventually(lambda: (admin.get(resource) or {})["status"]["observedGeneration"] == 2, what="no edit was seen")
        operator.settle()
        admin.delete(resource)
        operator.settle()
    finally:
        operator.stop()
    # It watches the whole cluster, and a namespace that another test is removing answers 403 as well.
    ours = [each for each in operator.sent if is_of(each.path, {namespace, operator.settings.lease_namespace})]
    refused = {(each.method, each.path) for each in ours if each.code in {401, 403}}
    assert refused == set()
    return live


@pytest.mark.usefixtures("simulator")
def test_the_operator_works_with_what_the_chart_grants_it(
    admin: Client, account: Callable[[str], Path], system: str, namespace: str, install: Callable[..., str]
) -> None:
    install()
    config = account(namespace)
    given = settings("", lease_namespace=system, lease_name=LEASE_NAME)
    live = works_with_its_permissions(Running(given, lambda: info(config)), admin, namespace)
    assert live["status"]["className"] == "standard"


@pytest.mark.usefixtures("simulator")
def test_with_flow_control_what_the_operator_sends_has_a_priority_level_of_its_own(
    admin: Client, account: Callable[[str], Path], system: str, namespace: str, install: Callable[..., str]
) -> None:
    install("flowControl.enabled=true")
    config = account(namespace)
    name = {"apiVersion": f"{FLOW_CONTROL}/v1", "kind": "FlowSchema", "metadata": {"name": "fairlead"}}
    schema = admin.get(name)
    assert schema
    with Client(config) as client:
        # The server takes new schemas up a moment later.
        eventually(lambda: flow_schema(client) == schema["metadata"]["uid"], what="requests are of the schema")
    assert flow_schema(admin) != schema["metadata"]["uid"]
    before = dispatched(admin, "fairlead")
    operator = Running(settings("", lease_namespace=system, lease_name=LEASE_NAME), lambda: info(config))
    works_with_its_permissions(operator, admin, namespace)
    answered = [each for each in operator.sent if each.code != 429]
    assert dispatched(admin, "fairlead") - before >= len(answered) > 0


def flow_schema(client: Client) -> str:
    """The uid of the FlowSchema that the server puts requests of this user under."""
    path = client.path(GROUP, "ApiService", namespace="default")
    answer = client.send("GET", path, limit="1")
    return str(answer.headers["X-Kubernetes-PF-FlowSchema-UID"])


def dispatched(admin: Client, schema: str) -> int:
    """How many requests of a FlowSchema the server has begun to serve since its start."""
    text = admin.send("GET", "/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("apiserver_flowcontrol_dispatched_requests_total{")]
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if f'flow_schema="{schema}"' in line)


@pytest.mark.usefixtures("simulator")
def test_the_operator_works_in_one_namespace_with_its_class_from_a_file(
    admin: Client,
    account: Callable[[str], Path],
    system: str,
    namespace: str,
    install: Callable[..., str],
    tmp_path: Path,
) -> None:
    install(f"watchNamespaces={{{namespace}}}", "defaultClass.spec.limits.maxReplicas=100")
    assert of_release(admin, system) == set()
    name = {"name": "fairlead-class", "namespace": system}
    mounted = admin.get({"apiVersion": "v1", "kind": "ConfigMap", "metadata": name})
    assert mounted
    file = tmp_path / "class.yaml"
    file.write_text(mounted["data"]["class.yaml"])
    assert yaml.safe_load(file.read_text())["spec"]["limits"] == {"maxReplicas": 100}
    config = account(namespace)
    given = settings(namespace, lease_namespace=system, lease_name=LEASE_NAME, class_file=str(file))
    operator = Running(given, lambda: info(config))
    live = works_with_its_permissions(operator, admin, namespace)
    assert live["status"]["className"] == "standard"
    assert {each.path for each in operator.sent if "apisvcclasses" in each.path} == set()
