"""What may reach the pods, what they may reach, and under which name they are reached."""

import json
from typing import Any

import pytest

from fairlead_operator.plan import Capabilities, Plan

from .cases import CASES, EVERYTHING, NOTHING, child, class_of, golden, golden_inputs, kinds, planned

TLS = "security: {tls: {secret: {name: orders-tls}}}\n"
GATEWAY = "exposure: {type: Gateway, gateway: {parentRef: {name: public}, hostnames: [api.example.com]}}\n"
INGRESS = "exposure: {type: Ingress, ingress: {hostnames: [api.example.com]%s}}\n"
CALL = """
worker:
  handlers:
  - event: orders.created
    steps: [{name: charge, call: {service: {name: payments}}}]
"""


def policy(made: Plan, role: str) -> dict[str, Any]:
    spec = child(made, "NetworkPolicy", f"orders-{role}").manifest["spec"]
    assert isinstance(spec, dict)
    return spec


def ports(rules: list[dict[str, Any]]) -> set[int]:
    return {port["port"] for rule in rules for port in rule.get("ports", [])}


@pytest.mark.parametrize("case", CASES)
def test_every_pod_is_under_a_policy_for_both_ways(case: str) -> None:
    made = golden(case)
    roles = {each.name for each in made.children if each.kind == "NetworkPolicy"}
    wanted = {each.name for each in made.children if each.kind == "Deployment"}
    assert roles == wanted | ({"orders-jobs"} if "Job" in kinds(made) else set())
    for role in roles:
        assert policy(made, role.removeprefix("orders-"))["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize(
    ("case", "role", "reached"),
    [
        ("minimal", "api", {53, 443}),
        ("no-queue", "api", {53, 5432}),
        ("store-postgresql", "api", {53, 5433, 5434}),
        ("store-mysql", "jobs", {53, 3306}),
        ("queue-kafka", "worker", {53, 5432, 9093}),
        ("queue-sns", "worker", {53, 443, 4566}),
        ("cache-read-through", "api", {53, 443, 26379, 6379}),
        ("cache-write-back", "api", {53, 443, 6380}),
        ("full", "api", {53, 443, 5432, 6379, 8443}),
        ("full", "worker", {53, 443, 5432, 6379}),
        ("development", "api", {53}),
    ],
)
def test_pods_reach_their_bindings_and_nothing_else(case: str, role: str, reached: set[int]) -> None:
    assert ports(policy(golden(case), role)["egress"]) == reached


def test_only_a_worker_that_calls_services_reaches_the_namespace() -> None:
    queue = "queue: {type: SQS, sqs: {queueName: orders}}\n"
    called = {"to": [{"podSelector": {}}]}
    calling, quiet = planned(queue + CALL), planned(queue)
    assert called in policy(calling, "worker")["egress"]
    assert called not in policy(calling, "api")["egress"]
    assert called not in policy(quiet, "worker")["egress"]
    assert called in policy(golden("development"), "api")["egress"]


def test_the_api_takes_everybody_unless_the_class_names_peers() -> None:
    [public, admin] = policy(golden("minimal"), "api")["ingress"]
    assert "from" not in public
    assert admin == {"from": [{"namespaceSelector": {}}], "ports": [{"protocol": "TCP", "port": 9090}]}
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateways"}}}]
    rules = policy(golden("full"), "api")["ingress"]
    assert [rule["from"] for rule in rules if ports([rule]) != {9090}] == [peers] * 2


@pytest.mark.parametrize(
    ("peer", "written"),
    [
        ({"podSelector": {}}, {"podSelector": {}}),
        (
            {"namespaceSelector": {"matchLabels": {}, "matchExpressions": [{"key": "team", "operator": "Exists"}]}},
            {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}},
        ),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},) * 2,
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": []}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}),
    ],
)
def test_a_peer_is_written_as_the_server_keeps_it(peer: dict[str, Any], written: dict[str, Any]) -> None:
    class_ = class_of(json.dumps({"networkPolicy": {"ingressFrom": [peer]}}))
    [public, _] = policy(planned("", class_), "api")["ingress"]
    assert public["from"] == [written]


def test_worker_and_jobs_take_nothing_but_a_scrape() -> None:
    assert ports(policy(golden("full"), "worker")["ingress"]) == {9090}
    assert "ingress" not in policy(golden("full"), "jobs")


@pytest.mark.parametrize(
    ("spec", "capabilities", "url"),
    [
        ("", EVERYTHING, "http://orders-api.shop.svc"),
        (TLS, EVERYTHING, "https://orders-api.shop.svc"),
        (GATEWAY, EVERYTHING, "https://api.example.com"),
        (GATEWAY, NOTHING, "http://orders-api.shop.svc"),
        (INGRESS % "", EVERYTHING, "http://api.example.com"),
        (INGRESS % ", tlsSecret: {name: public}", EVERYTHING, "https://api.example.com"),
        (GATEWAY.replace("[api", "['*.example.com', api"), EVERYTHING, "https://api.example.com"),
        (GATEWAY.replace("[api.example.com", "['*.example.com'"), EVERYTHING, "http://orders-api.shop.svc"),
        (INGRESS.replace("[api.example.com", "['*.example.com'") % "", EVERYTHING, "http://orders-api.shop.svc"),
    ],
)
def test_the_url_is_where_the_api_is_reached(spec: str, capabilities: Capabilities, url: str) -> None:
    assert planned(spec, capabilities=capabilities).url == url


@pytest.mark.parametrize(("spec", "port", "name"), [("", 80, "http"), (TLS, 443, "https")])
def test_the_service_leads_to_the_port_of_its_protocol(spec: str, port: int, name: str) -> None:
    made = planned(spec + GATEWAY)
    [listener] = child(made, "Service").manifest["spec"]["ports"]
    assert (listener["port"], listener["targetPort"]) == (port, name)
    main = child(made, "Deployment").manifest["spec"]["template"]["spec"]["containers"][0]
    assert name in [each["name"] for each in main["ports"]]
    [rule] = child(made, "HTTPRoute").manifest["spec"]["rules"]
    assert rule["backendRefs"][0]["port"] == port


@pytest.mark.parametrize(
    ("case", "protocol"),
    [("minimal", "http"), ("exposure-gateway", "kubernetes.io/h2c"), ("exposure-gateway-tls", "https")],
)
def test_the_service_names_the_protocol_that_its_pods_speak(case: str, protocol: str) -> None:
    [listener] = child(golden(case), "Service").manifest["spec"]["ports"]
    assert listener["appProtocol"] == protocol
    assert listener["name"] in ("http", "https")


def test_a_gateway_verifies_a_pod_that_speaks_tls() -> None:
    assert "BackendTLSPolicy" not in kinds(golden("exposure-gateway"))
    validation = child(golden("exposure-gateway-tls"), "BackendTLSPolicy").manifest["spec"]["validation"]
    assert validation["hostname"] == "orders-api.shop.svc"
    certificate = child(golden("exposure-gateway-tls"), "Certificate").manifest["spec"]
    assert validation["hostname"] in certificate["dnsNames"]
    assert certificate["secretName"] == validation["caCertificateRefs"][0]["name"]


def test_what_the_cluster_lacks_is_said() -> None:
    resource, class_ = golden_inputs("full")
    assert planned(resource, class_).left_out == ()
    said = {each.reason for each in planned(resource, class_, capabilities=NOTHING).left_out}
    assert said == {
        "KedaNotInstalled",
        "GatewayApiNotInstalled",
        "PrometheusOperatorNotInstalled",
        "CertManagerNotInstalled",
    }


@pytest.mark.parametrize("case", CASES)
def test_a_bare_cluster_gets_its_own_kinds_only(case: str) -> None:
    resource, class_ = golden_inputs(case)
    made = planned(resource, class_, capabilities=NOTHING)
    known = ("v1", "apps/v1", "batch/v1", "autoscaling/v2", "policy/v1", "networking.k8s.io/v1")
    assert {each.api_version for each in made.children} <= {*known}
