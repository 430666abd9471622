"""What a class does not allow, named by path; and what no ConfigMap holds."""

import pytest

from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_operator.plan import BUILT_IN_CLASS, Violation, violations
from fairlead_operator.plan.limits import matches

from .cases import CASES, class_of, golden_inputs, planned, service

PG = "datastore: {type: PostgreSQL, postgresql: {host: %s, database: shop, credentialsSecret: {name: db}}}"
GATEWAY = "exposure: {type: Gateway, gateway: {parentRef: {name: public, namespace: %s}, hostnames: [%s]}}"
INGRESS = "exposure: {type: Ingress, ingress: {annotations: {%s: x}}}"


def found_in(resource: ApiService, class_: ApiServiceClass) -> tuple[Violation, ...]:
    """What keeps the plan of `resource` from being carried out."""
    return violations(resource, class_, planned(resource, class_))


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "anything", True),
        ("*.example.com", "db.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "db.example.com.evil.org", False),
        ("*.example.com", "dbXexampleXcom", False),
        ("db.example.com", "DB.Example.Com", True),
        ("a?[bc]", "ab", False),
        ("a?[bc]", "a?[bc]", True),
        ("registry.example.com/*", "registry.example.com/team/x:1", True),
        ("registry.example.com/*", "registry.example.com.evil.org/x", False),
        ("", "x", False),
    ],
)
def test_a_star_is_the_only_thing_special_in_a_pattern(pattern: str, text: str, fits: bool) -> None:
    assert matches(pattern, text) is fits


@pytest.mark.parametrize(
    ("spec", "limits", "found"),
    [
        ("", "{datastores: [PostgreSQL]}", [("TypeNotAllowed", "spec.datastore.type")]),
        ("", "{datastores: [DynamoDB], caches: [], queues: []}", []),
        ("cache: {type: Memory}", "{caches: [Redis]}", [("TypeNotAllowed", "spec.cache.type")]),
        ("queue: {type: SQS, sqs: {queueName: a}}", "{queues: []}", [("TypeNotAllowed", "spec.queue.type")]),
        (PG % "db", "{endpoints: []}", []),
        (PG % "db.shop", "{endpoints: []}", [("EndpointNotAllowed", "spec.datastore.postgresql.host")]),
        (PG % "'2130706433'", "{endpoints: []}", [("EndpointNotAllowed", "spec.datastore.postgresql.host")]),
        (PG % "db.shop.svc", "{endpoints: []}", []),
        (PG % "db.shop.svc.cluster.local", "{endpoints: []}", []),
        (PG % "db.other.svc", "{endpoints: []}", [("EndpointNotAllowed", "spec.datastore.postgresql.host")]),
        (PG % "db.shop.svc.evil.org", "{endpoints: []}", [("EndpointNotAllowed", "spec.datastore.postgresql.host")]),
        (PG % "db.example.com", "{endpoints: ['*.example.com']}", []),
        ("runtime: {image: a/b}", "{images: []}", [("ImageNotAllowed", "spec.runtime.image")]),
        ("runtime: {image: a/b}", "{images: ['a/*']}", []),
        ("scaling: {api: {max: 5}}", "{maxReplicas: 4}", [("TooManyReplicas", "spec.scaling.api.max")]),
        ("scaling: {api: {max: 4}}", "{maxReplicas: 4}", []),
        ("scaling: {backend: None}", "{maxReplicas: 4}", []),
        (GATEWAY % ("shop", "a.b"), "{parentRefs: [{name: public}], hostnames: ['*.b']}", []),
        (GATEWAY % ("shop", "'*.a.b'"), "{hostnames: ['*.b']}", []),
        (GATEWAY % ("shop", "'*.b'"), "{hostnames: ['*.b']}", []),
        (
            GATEWAY % ("shop", "'*.b'"),
            "{hostnames: ['a*.b', '*.a.b']}",
            [("HostnameNotAllowed", "spec.exposure.gateway.hostnames[0]")],
        ),
        (
            GATEWAY % ("gateways", "a.c"),
            "{parentRefs: [{name: public}], hostnames: ['*.b']}",
            [
                ("GatewayNotAllowed", "spec.exposure.gateway.parentRef"),
                ("HostnameNotAllowed", "spec.exposure.gateway.hostnames[0]"),
            ],
        ),
        (
            "exposure: {type: Ingress, ingress: {}}",
            "{hostnames: ['*.b']}",
            [("HostnameNotAllowed", "spec.exposure.ingress.hostnames")],
        ),
        (
            INGRESS % "a.b/c",
            "{annotations: ['x/*']}",
            [("AnnotationNotAllowed", 'spec.exposure.ingress.annotations["a.b/c"]')],
        ),
        (INGRESS % "a.b/c", "{annotations: ['a.b/*']}", []),
    ],
)
def test_what_a_class_does_not_allow_is_named(spec: str, limits: str, found: list[tuple[str, str]]) -> None:
    findings = found_in(service(spec), class_of(f"limits: {limits}"))
    assert [(each.reason, each.path) for each in findings] == found
    assert all("; " in each.message for each in findings)


@pytest.mark.parametrize("case", CASES)
def test_the_built_in_class_allows_everything(case: str) -> None:
    assert found_in(golden_inputs(case)[0], BUILT_IN_CLASS) == ()


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (
            "cache: {type: Redis, redis: {mode: Sentinel, sentinel: {masterName: a, addresses: ['a:1', 'b.c:2']}}}",
            "cache.redis.sentinel.addresses[1]",
        ),
        (
            "cache: {type: Redis, redis: {mode: Cluster, cluster: {addresses: ['a.b:1']}}}",
            "cache.redis.cluster.addresses[0]",
        ),
        (
            "queue: {type: Kafka, kafka: {topic: a, bootstrapServers: ['a:1', 'a.b:1']}}",
            "queue.kafka.bootstrapServers[1]",
        ),
        (
            "security: {authentication: {jwt: {issuer: 'https://a.b/c', audiences: [x]}}}",
            "security.authentication.jwt.issuer",
        ),
    ],
)
def test_every_host_counts(spec: str, path: str) -> None:
    [finding] = found_in(service(spec), class_of("limits: {endpoints: []}"))
    assert finding.path == f"spec.{path}"


def test_a_document_that_no_config_map_holds_is_refused() -> None:
    large = "x" * (901 * 1024)
    schema = f"{{schema: {{type: object, properties: {{id: {{type: string, description: {large}}}}}}}}}"
    findings = found_in(service(resource=schema), BUILT_IN_CLASS)
    assert {each.reason for each in findings} == {"DocumentTooLarge"}
    assert len(findings) == 2
