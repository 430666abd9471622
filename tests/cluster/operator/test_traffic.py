"""What leads traffic to the pods changes only once the new pods serve, and not at all while they do not.

Every edit here is rolled out to pods that never come, and then to pods that take their time. What the operator sent
before and after these serve shows the order.
"""

from dataclasses import dataclass

import pytest

from ..client import Client, Manifest
from ..simulator import Simulator
from .apisvc import Resource
from .harness import Running, example, side_by_side

ABSENT = "registry.example/absent:1"
OPEN = {"authentication": {"anonymous": "Allow"}}
TLS = {"tls": {"secret": {"name": "orders-tls"}}}
OTHER_TLS = {"tls": {"secret": {"name": "other-tls"}}}
GATEWAY = {"type": "Gateway", "gateway": {"parentRef": {"name": "public"}, "hostnames": ["api.example.com"]}}
INGRESS = {"type": "Ingress", "ingress": {"hostnames": ["orders.example.com"]}}
OTHER_HOST = {"ingress": {"hostnames": ["other.example.com"]}}
TRAFFIC = {
    "Service": "services",
    "HTTPRoute": "httproutes",
    "Ingress": "ingresses",
    "BackendTLSPolicy": "backendtlspolicies",
}


@dataclass(frozen=True)
class Case:
    """An ApiService, an edit of it, and the kinds that the edit makes, changes or removes."""

    name: str
    spec: Manifest
    change: Manifest
    switched: set[str]


CASES = (
    Case("tls-on", {"exposure": GATEWAY}, {"security": TLS}, {"services", "httproutes", "backendtlspolicies"}),
    Case(
        "tls-off",
        {"exposure": GATEWAY, "security": OPEN | TLS},
        {"security": {"tls": None}},
        {"services", "httproutes", "backendtlspolicies"},
    ),
    Case(
        "other-secret",
        {"exposure": GATEWAY, "security": OPEN | TLS},
        {"security": OTHER_TLS},
        {"backendtlspolicies"},
    ),
    Case("ingress", {"exposure": INGRESS}, {"security": TLS, "exposure": OTHER_HOST}, {"services", "ingresses"}),
    Case("grpc", {}, {"grpc": {"enabled": True}}, {"services"}),
)


def leading(resource: Resource) -> dict[tuple[str, str], Manifest]:
    """What leads traffic to it."""
    return {key: child["spec"] for key, child in resource.children().items() if key[0] in TRAFFIC}


@pytest.mark.usefixtures("recorder")
def test_traffic_stays_while_the_new_pods_do_not_serve_and_moves_once_they_do(
    admin: Client, namespace: str, operator: Running, simulator: Simulator
) -> None:
    verdicts = {ABSENT: "pull"}
    simulator.verdict = lambda pod: verdicts.get(image(pod), "ready")

    def traffic_since(count: int, resource: Resource) -> set[str]:
        plurals = {each.path.split("/")[-2] for each in operator.child_writes(resource.name)[count:]}
        return plurals & set(TRAFFIC.values())

    def scenario(case: Case) -> None:
        resource = Resource(admin, example(namespace, name=case.name, **case.spec)).create()
        resource.until("Ready", "True")
        before, count = leading(resource), len(operator.child_writes(case.name))

        resource.edit(runtime={"image": ABSENT}, **case.change)
        resource.until("Ready", "Unknown", "RollingOut")
        resource.until_rollout_fails()
        assert traffic_since(count, resource) == set(), "pods that never come"
        assert leading(resource) == before

        slow = f"registry.example/{case.name}:slow"
        verdicts[slow] = "wait"
        resource.edit(runtime={"image": slow})
        resource.until("Ready", "Unknown", "RollingOut")
        assert traffic_since(count, resource) == set(), "pods that do not serve yet"
        assert leading(resource) == before
        verdicts[slow] = "ready"
        resource.until("Ready", "True")
        assert traffic_since(count, resource) == case.switched

    side_by_side(*(lambda case=each: scenario(case) for each in CASES))


def image(pod: Manifest) -> str:
    return str(pod["spec"]["containers"][0]["image"])
