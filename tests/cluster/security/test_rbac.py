"""What the operator asks of the API server is what its rules allow: nothing beyond, and no rule that nothing needs.

One long scenario, run with the rights of a cluster-wide install and again with those of one namespace, makes it use
every kind in every way it ever does. All it sends is recorded.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead_contract.spec.apiservice import ApiService
from fairlead_operator import plan
from fairlead_operator.kube import kinds
from fairlead_operator.plan import Capabilities, Stage

from ..client import Client, Manifest
from ..identity import LEASE_NAME, Identity, await_grant, chart_rules, lease_rules
from ..operator.apisvc import Resource
from ..operator.harness import Running, Sent, example, info, settings
from ..simulator import Simulator, missing_secret
from ..waiting import eventually

EVERYTHING = Capabilities(prometheus=True, keda=True, gateway=True, cert_manager=True)
Asked = tuple[str, str, str]
_PATH = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/v[^/]+(?:/namespaces/[^/]+)?"
    r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?$"
)
_VERBS = {"PATCH": "patch", "POST": "create", "PUT": "update", "DELETE": "delete", "WATCH": "watch"}


def asked(sent: Iterable[Sent]) -> set[Asked]:
    """Group, resource and verb of each request, as the server's authorizer sees them. Discovery is open to all."""
    found: set[Asked] = set()
    for each in sent:
        match = _PATH.match(each.path)
        if match is None:
            continue
        resource = "/".join(filter(None, (match["resource"], match["sub"])))
        verb = _VERBS.get(each.method) or ("get" if match["name"] else "list")
        found.add((match["group"] or "", resource, verb))
        if verb == "patch" and each.code == 201:
            # An apply that creates is asked for both.
            found.add((match["group"] or "", resource, "create"))
    return found


def allowed(rules: Iterable[Manifest]) -> set[Asked]:
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.fixture(params=["cluster-wide", "one namespace"])
def confined(request: pytest.FixtureRequest) -> bool:
    """Whether the operator may do nothing outside its namespace."""
    return bool(request.param == "one namespace")


@pytest.fixture
def rules(confined: bool) -> list[Manifest]:
    """Every rule that the operator has."""
    return [*chart_rules(namespaced=confined), *lease_rules()]


@pytest.fixture
def operator(
    admin: Client, namespace: str, admin_config: Path, tmp_path: Path, confined: bool
) -> Iterator[Callable[[], Running]]:
    """Start the operator of such an install."""
    account = Identity(admin, namespace).create()
    account.grant(chart_rules(namespaced=confined), namespace=namespace if confined else "")
    account.grant(lease_rules(), namespace=namespace)
    config = account.kubeconfig(admin_config, tmp_path)
    changes: dict[str, Any] = {"class_file": str(_class_file(tmp_path))} if confined else {}
    with Client(config) as client:
        await_grant(client, f"/apis/fairlead.dev/v1alpha1/namespaces/{namespace}/apisvcs/none")
        await_grant(client, f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE_NAME}")
    running = Running(settings(namespace, **changes), lambda: info(config))

    def begin() -> Running:
        running.start()
        return running

    yield begin
    running.stop()
    account.remove()


def _class_file(folder: Path) -> Path:
    file = folder / "class.yaml"
    file.write_text("apiVersion: fairlead.dev/v1alpha1\nkind: ApiServiceClass\nmetadata: {name: team}\n")
    return file


KAFKA = {
    "type": "Kafka",
    "kafka": {
        "bootstrapServers": ["kafka:9092"],
        "topic": "orders",
        "sasl": {"mechanism": "SCRAM-SHA-512", "credentialsSecret": {"name": "kafka"}},
    },
}
TLS = {"secret": {"name": "orders-tls"}, "issuer": {"name": "internal"}}
GATEWAY = {"type": "Gateway", "gateway": {"parentRef": {"name": "public"}, "hostnames": ["api.example.com"]}}
INGRESS = {"type": "Ingress", "ingress": {"hostnames": ["api.example.com"]}}


def everything(namespace: str, name: str, exposure: Manifest) -> Manifest:
    """A resource that has a child of every kind there is, but for the other sort of exposure."""
    security = {"authentication": {"anonymous": "Allow"}, "tls": TLS}
    more = {"queue": KAFKA, "security": security, "grpc": {"enabled": True}, "exposure": exposure}
    return example(namespace, name=name, deletionPolicy="Delete", **more)


def children(resource: Manifest, *stages: Stage, uid: str = "") -> list[Manifest]:
    """What is planned for it."""
    parsed = ApiService.model_validate({key: value for key, value in resource.items() if key != "status"})
    image = settings("any").image
    made = plan.plan(parsed, plan.BUILT_IN_CLASS, capabilities=EVERYTHING, image=image, uid=uid)
    return [child.manifest for child in made.children if child.stage in stages]


def without_owner(manifest: Manifest) -> Manifest:
    """The same without any sign of whose it is."""
    metadata = {key: manifest["metadata"][key] for key in ("name", "namespace")}
    # A Job without labels would get those of its pods from the server, and with them ours.
    return manifest | {"metadata": metadata | {"labels": {"team": "other"}}}


def leftover(manifest: Manifest, name: str) -> Manifest:
    """The same as an older version of the operator may have made it: ours, and no longer planned."""
    component = {"app.kubernetes.io/component": "old"}
    labels = manifest["metadata"]["labels"] | component
    made = manifest | {"metadata": manifest["metadata"] | {"name": name, "labels": labels}}
    if manifest["kind"] == "Deployment":
        selector = {"matchLabels": manifest["spec"]["selector"]["matchLabels"] | component}
        template = manifest["spec"]["template"]
        pod = template | {"metadata": {"labels": template["metadata"]["labels"] | component}}
        made["spec"] = manifest["spec"] | {"selector": selector, "template": pod}
    return made


def test_every_rule_is_needed_and_nothing_else_is_asked_for(
    admin: Client, namespace: str, operator: Callable[[], Running], simulator: Simulator, rules: list[Manifest]
) -> None:
    routed, entered, late = (
        everything(namespace, "routed", GATEWAY),
        everything(namespace, "entered", INGRESS),
        everything(namespace, "late", INGRESS),
    )
    in_the_way = [
        *children(routed, Stage.BASE, Stage.TRAFFIC),
        *(each for each in children(entered, Stage.PROVISION, Stage.TRAFFIC) if each["kind"] in {"Job", "Ingress"}),
        *children(late, Stage.ROLLOUT),
    ]
    unowned = [admin.apply(without_owner(each)) for each in in_the_way]
    admin.create(routed)
    running = operator()  # what it finds in a list it reads once more before it writes
    for resource in (entered, late):
        admin.create(resource)
    for resource in (routed, entered, late):
        Resource(admin, resource).until("Stalled", "True", "Conflict")
    for each in unowned:
        admin.delete(each, propagation="Foreground")
    eventually(lambda: not any(is_there(admin, each) for each in unowned), what="the unowned objects are gone")
    for resource in (routed, entered, late):
        Resource(admin, resource).annotate("reconcile-requested-at", "unowned objects are gone")
        Resource(admin, resource).until("Ready", "True")
    prunes_what_is_left_over(admin, running, [routed, entered])
    looks_for_a_cause(admin, simulator, late)
    for resource in (routed, entered, late):
        admin.delete(resource)
        Resource(admin, resource).until_gone()
    running.stop()
    assert [each for each in running.sent if each.code == 403] == []
    assert asked(running.sent) - allowed(rules) == set()
    assert allowed(rules) - asked(running.sent) == set()


def is_there(admin: Client, manifest: Manifest) -> bool:
    """Whether it is still there, and not another of its name."""
    live = admin.get(manifest)
    return live is not None and live["metadata"]["uid"] == manifest["metadata"]["uid"]


def prunes_what_is_left_over(admin: Client, running: Running, resources: list[Manifest]) -> None:
    planted: dict[str, Manifest] = {}
    for resource in resources:
        live = admin.get(resource)
        assert live is not None
        for manifest in children(live, *Stage, uid=live["metadata"]["uid"]):
            planted[manifest["kind"]] = leftover(manifest, f"{live['metadata']['name']}-old")
    assert set(planted) == {kind.name for kind in kinds.CHILDREN}
    for manifest in planted.values():
        admin.apply(manifest)

    def left() -> list[str]:
        return [kind for kind, manifest in planted.items() if not _is_going(admin.get(manifest))]

    eventually(lambda: not left(), what="everything that is left over goes")


def _is_going(live: Manifest | None) -> bool:
    return live is None or "deletionTimestamp" in live["metadata"]


def looks_for_a_cause(admin: Client, simulator: Simulator, resource: Manifest) -> None:
    """An image that cannot be pulled is found in the pods, a Secret that is not there in their Events only."""
    made = Resource(admin, resource)
    simulator.verdict = lambda pod: "pull"
    made.edit(runtime={"image": "registry.example/absent:1"})
    eventually(lambda: "cannot be pulled" in made.condition("Ready").get("message", ""), what="the image is reported")
    simulator.verdict = lambda pod: "mount"
    made.edit(runtime={"image": "registry.example/other:1"})

    def is_reported() -> bool:
        for pod in admin.list("v1", "Pod", namespace=resource["metadata"]["namespace"]):
            admin.apply(missing_secret(pod, secret="kafka"))
        return "kafka" in made.condition("Ready").get("message", "")

    eventually(is_reported, what="the Secret is reported")


def test_the_rules_know_no_wildcard_no_secrets_and_no_way_to_more() -> None:
    for rule in (*chart_rules(), *chart_rules(namespaced=True), *lease_rules(), *kinds.rbac_rules()):
        listed = {value for values in rule.values() for value in values}
        assert not listed & {"*", "secrets", "pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers"}
        assert not listed & {"escalate", "bind", "impersonate", "deletecollection", "serviceaccounts/token", "nodes"}
        assert not set(rule["apiGroups"]) & {"rbac.authorization.k8s.io", "admissionregistration.k8s.io"}


def test_the_rules_of_one_namespace_are_those_of_the_cluster_without_what_is_cluster_wide() -> None:
    classes = {
        (group, resource, verb) for group, resource, verb in allowed(chart_rules()) if resource == "apisvcclasses"
    }
    assert allowed(chart_rules()) - allowed(chart_rules(namespaced=True)) == classes
    assert classes
