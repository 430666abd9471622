"""The admission policies of the chart on a real API server: what each lets through, and what it refuses and says."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..client import ApiError, Client, Manifest
from ..waiting import eventually
from .helm import OPERATOR, Helm

POLICIES = ("class-limits", "deletion-protection", "secret-access")
API = {
    "resources": [
        {
            "name": "orders",
            "key": {"partition": "id"},
            "schema": {"type": "object", "properties": {"id": {"type": "string"}}},
        }
    ]
}
SECRET = {"name": "credentials"}
PROTECTED = {"fairlead.dev/deletion-protection": "true"}
LIMITS = {
    "datastores": ["PostgreSQL"],
    "caches": ["Redis"],
    "queues": ["Kafka"],
    "endpoints": ["*.db.example.com", "id.example.com", "a+b.example.com"],
    "hostnames": ["*.api.example.com"],
    "maxReplicas": 5,
    "parentRefs": [{"name": "public", "namespace": "gateways"}, {"name": "own"}],
    "images": ["registry.example.com/team/*"],
    "annotations": ["waf.example.com/*", r"quoted\E.*"],
}


def api_service(namespace: str, *, name: str = "orders", class_name: str = "", **spec: Any) -> Manifest:
    chosen = {"className": class_name} if class_name else {}
    return {
        "apiVersion": "fairlead.dev/v1alpha1",
        "kind": "ApiService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"api": API, **chosen, **spec},
    }


def service_class(name: str, *, limits: dict[str, Any] | None = None, default: bool = False) -> Manifest:
    spec = {"isDefault": default, **({"limits": limits} if limits is not None else {})}
    return {"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiServiceClass", "metadata": {"name": name}, "spec": spec}


def postgresql(host: str = "db", **more: Any) -> dict[str, Any]:
    return {"type": "PostgreSQL", "postgresql": {"host": host, "database": "shop", "credentialsSecret": SECRET, **more}}


def redis(**more: Any) -> dict[str, Any]:
    return {"type": "Redis", "redis": more}


def kafka(*servers: str) -> dict[str, Any]:
    return {"type": "Kafka", "kafka": {"bootstrapServers": list(servers), "topic": "orders"}}


def gateway(*hostnames: str, name: str = "public", namespace: str | None = "gateways") -> dict[str, Any]:
    parent = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"type": "Gateway", "gateway": {"parentRef": parent, "hostnames": list(hostnames)}}


def ingress(*hostnames: str, **annotations: str) -> dict[str, Any]:
    return {"type": "Ingress", "ingress": {"hostnames": list(hostnames), "annotations": annotations}}


def jwt(issuer: str, **more: str) -> dict[str, Any]:
    return {"authentication": {"jwt": {"issuer": issuer, "audiences": ["orders"], **more}}}


def scaling(**most: int) -> dict[str, Any]:
    return {
        "scaling": {"api": {"max": 5}, "worker": {"max": 5}} | {role: {"max": value} for role, value in most.items()}
    }


def refused(call: Callable[[], object]) -> str:
    """The server's message, or nothing."""
    try:
        call()
    except ApiError as error:
        if error.code not in {403, 422}:
            raise
        return error.message
    return ""


@pytest.fixture(scope="module")
def policies(helm: Helm, admin: Client) -> Iterator[None]:
    """The chart's policies, without the rest of it."""
    wanted = [each for each in helm.manifests(OPERATOR) if each["kind"].startswith("ValidatingAdmissionPolicy")]
    assert len(wanted) == 2 * len(POLICIES)
    for manifest in wanted:
        admin.apply(manifest)
    yield
    for manifest in wanted:
        admin.delete(manifest)


@pytest.fixture(scope="module")
def shop(admin: Client, policies: None) -> Iterator[str]:
    """A namespace in which the policies are known to be in force."""
    name = f"shop-{uuid.uuid4().hex[:10]}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    admin.create(manifest)
    probe = admin.create(
        api_service(name, name="probe") | {"metadata": {"name": "probe", "namespace": name, "annotations": PROTECTED}}
    )
    path = admin.path(probe["apiVersion"], probe["kind"], namespace=name, name="probe")
    eventually(lambda: refused(lambda: admin.request("DELETE", path, dryRun="All")), what="no policy is in force")
    yield name
    admin.delete(manifest)


@pytest.fixture(scope="module")
def limited(admin: Client, shop: str) -> Iterator[str]:
    """The name of a class with limits, in force."""
    manifest = admin.create(service_class(f"limited-{uuid.uuid4().hex[:10]}", limits=LIMITS))
    name = manifest["metadata"]["name"]
    known = lambda: refused(lambda: admin.create(api_service(shop, class_name=name), dry_run=True))  # noqa: E731
    eventually(known, what="the class is not in force")
    yield name
    admin.delete(manifest)


WITHIN = {"datastore": postgresql(), **scaling()}
ALLOWED: dict[str, dict[str, Any]] = {
    "a Service of the namespace": {},
    "a Service of the namespace by its full name": {"datastore": postgresql("db.NAMESPACE.svc.cluster.local")},
    "a host that a pattern allows": {"datastore": postgresql("one.db.example.com")},
    "a host in other letters": {"datastore": postgresql("ONE.DB.example.com")},
    "a replica that a pattern allows": {"datastore": postgresql(readReplica={"host": "two.db.example.com"})},
    "no cache": {"cache": {"type": "None"}},
    "a cache of the namespace": {"cache": redis(address="redis.NAMESPACE:6379")},
    "brokers that a pattern allows": {"queue": kafka("one.db.example.com:9092", "kafka.NAMESPACE.svc:9092")},
    "an issuer that a pattern allows": {"security": jwt("https://id.example.com/realms/shop")},
    "an image that a pattern allows": {"runtime": {"image": "registry.example.com/team/workload:1"}},
    "as many replicas as the class has": {**scaling(api=5)},
    "more replicas, but nothing scales": {"scaling": {"backend": "None", "api": {"max": 50}}},
    "more replicas of a worker that is not there": {**scaling(worker=50)},
    "a gateway of the class": {"exposure": gateway("shop.api.example.com")},
    "a gateway of the namespace": {"exposure": gateway("shop.api.example.com", name="own", namespace=None)},
    "a gateway of the namespace by its name": {
        "exposure": gateway("a.api.example.com", name="own", namespace="NAMESPACE")
    },
    "an annotation that a pattern allows": {"exposure": ingress("a.api.example.com", **{"waf.example.com/acl": "x"})},
}
OVER: dict[str, tuple[dict[str, Any], str]] = {
    "a datastore": ({"datastore": {"type": "DynamoDB"}}, "spec.datastore.type DynamoDB; use one of [PostgreSQL]"),
    "a cache": ({"cache": {"type": "Memory"}}, "spec.cache.type Memory; use None or one of [Redis]"),
    "a queue": ({"queue": {"type": "SQS", "sqs": {"queueName": "q"}}}, "spec.queue.type SQS; use one of [Kafka]"),
    "a host": ({"datastore": postgresql("db.example.com")}, "the host db.example.com outside the namespace"),
    "a Service of another namespace": ({"datastore": postgresql("db.other.svc")}, "the host db.other.svc"),
    "a host that ends like the namespace": ({"datastore": postgresql("db.NAMESPACE.svc.evil.com")}, "svc.evil.com"),
    "a host that only ends like a pattern": ({"datastore": postgresql("one.db.example.com.evil.com")}, "evil.com"),
    "a host where a pattern's dot is a letter": ({"datastore": postgresql("onexdbxexample.com")}, "the host onex"),
    "a pattern's sign taken for an expression": ({"datastore": postgresql("aab.example.com")}, "the host aab"),
    "an address": ({"datastore": postgresql("10.0.0.1")}, "the host 10.0.0.1"),
    "an address as one number": ({"datastore": postgresql("2130706433")}, "the host 2130706433"),
    "an address in hexadecimal": ({"datastore": postgresql("0x7f000001")}, "the host 0x7f000001"),
    "a replica": ({"datastore": postgresql(readReplica={"host": "ro.example.com"})}, "the host ro.example.com"),
    "a cache's address": ({"cache": redis(address="redis.example.com:6379")}, "the host redis.example.com"),
    "one of several sentinels": (
        {"cache": redis(mode="Sentinel", sentinel={"masterName": "m", "addresses": ["a:1", "b.example.com:1"]})},
        "the host b.example.com",
    ),
    "a node of a cluster": (
        {"cache": redis(mode="Cluster", cluster={"addresses": ["c.example.com:1"]})},
        "c.example.com",
    ),
    "one of several brokers": ({"queue": kafka("kafka:9092", "evil.com:9092")}, "the host evil.com"),
    "an issuer": ({"security": jwt("https://evil.com/id.example.com")}, "the host evil.com"),
    "an issuer behind a user name": ({"security": jwt("https://id.example.com@evil.com")}, "the host evil.com"),
    "an issuer by address": ({"security": jwt("https://[fd00::1]/")}, "the host fd00::1"),
    "keys from elsewhere": ({"security": jwt("https://id.example.com", jwksUrl="https://evil.com/keys")}, "evil.com"),
    "an image": ({"runtime": {"image": "evil.com/registry.example.com/team/x"}}, "spec.runtime.image evil.com"),
    "replicas": (scaling(api=6), "more than 5 replicas; set spec.scaling.api.max"),
    "replicas of the worker": ({**scaling(worker=6), "queue": kafka("kafka:9092")}, "set spec.scaling.worker.max"),
    "a gateway": ({"exposure": gateway("a.api.example.com", name="other")}, "parentRef, other"),
    "a gateway of that name elsewhere": (
        {"exposure": gateway("a.api.example.com", namespace="mine")},
        "parentRef, public",
    ),
    "a host name": ({"exposure": gateway("shop.example.com")}, "the host name shop.example.com"),
    "one of several host names": ({"exposure": ingress("a.api.example.com", "b.com")}, "the host name b.com"),
    "every host name": ({"exposure": gateway()}, "set spec.exposure.gateway.hostnames"),
    "every host name of an Ingress": ({"exposure": ingress()}, "set spec.exposure.ingress.hostnames"),
    "an annotation": ({"exposure": ingress("a.api.example.com", **{"nginx/snippet": "x"})}, "annotation nginx/snippet"),
    "an annotation by a quoting trick": ({"exposure": ingress("a.api.example.com", quotedEvil="x")}, "quotedEvil"),
}


def in_namespace(value: Any, namespace: str) -> Any:
    if isinstance(value, dict):
        return {key: in_namespace(child, namespace) for key, child in value.items()}
    if isinstance(value, list):
        return [in_namespace(child, namespace) for child in value]
    return value.replace("NAMESPACE", namespace) if isinstance(value, str) else value


def test_the_policies_are_free_of_type_warnings(admin: Client, policies: None) -> None:
    version, kind = "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"

    def checked(name: str) -> Manifest | None:
        live = admin.get({"apiVersion": version, "kind": kind, "metadata": {"name": f"fairlead-{name}"}})
        done = live and live.get("status", {}).get("observedGeneration") == live["metadata"]["generation"]
        return live if done else None

    for name in POLICIES:
        live = eventually(lambda name=name: checked(name), what=f"{name} was not type checked")  # type: ignore[misc]
        assert live["status"].get("typeChecking", {}) == {}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_a_class_allows(admin: Client, shop: str, limited: str, change: dict[str, Any]) -> None:
    spec = WITHIN | in_namespace(change, shop)
    admin.create(api_service(shop, class_name=limited, **spec), dry_run=True)


@pytest.mark.parametrize(("change", "said"), OVER.values(), ids=OVER)
def test_a_class_does_not_allow(admin: Client, shop: str, limited: str, change: dict[str, Any], said: str) -> None:
    spec = WITHIN | in_namespace(change, shop)
    message = refused(lambda: admin.create(api_service(shop, class_name=limited, **spec), dry_run=True))
    assert f"ApiServiceClass {limited} does not allow" in message
    assert said in message.replace(shop, "NAMESPACE").replace("NAMESPACE.svc.evil.com", "svc.evil.com")


@pytest.mark.parametrize(("change", "said"), OVER.values(), ids=OVER)
def test_a_class_without_limits_allows_everything(
    admin: Client, shop: str, limited: str, change: dict[str, Any], said: str
) -> None:
    del limited, said
    admin.create(api_service(shop, class_name="not-there", **(WITHIN | in_namespace(change, shop))), dry_run=True)


def named(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def strict_default(admin: Client, shop: str) -> Iterator[str]:
    """A default class that allows PostgreSQL only, in force."""
    name = named("default")
    manifest = admin.create(service_class(name, limits={"datastores": ["PostgreSQL"]}, default=True))
    eventually(lambda: over(admin, shop), what="the default class is not in force")
    yield name
    admin.delete(manifest)
    eventually(lambda: not over(admin, shop), what="the default class is still in force")


def over(client: Client, namespace: str, **spec: Any) -> str:
    """What is said of a DynamoDB table."""
    return refused(lambda: client.create(api_service(namespace, name=named("over"), **spec), dry_run=True))


def test_a_resource_without_a_class_has_the_limits_of_the_default(
    admin: Client, shop: str, strict_default: str
) -> None:
    assert f"ApiServiceClass {strict_default} does not allow" in over(admin, shop)
    assert f"ApiServiceClass {strict_default} does not allow" in over(admin, shop, className="built-in")
    admin.create(api_service(shop, datastore=postgresql()), dry_run=True)


def test_a_resource_that_names_another_class_does_not_have_the_limits_of_the_default(
    admin: Client, shop: str, strict_default: str
) -> None:
    other = admin.create(service_class(named("open")))
    assert over(admin, shop, className=other["metadata"]["name"]) == ""
    admin.delete(other)


def test_the_class_in_the_status_stays_that_of_the_resource(admin: Client, shop: str) -> None:
    pinned = admin.create(service_class(named("pinned"), limits={"datastores": ["DynamoDB"], "maxReplicas": 3}))
    live = admin.create(api_service(shop, name=named("pinned"), **scaling(api=3, worker=3)))
    admin.merge(live, {"status": {"className": pinned["metadata"]["name"]}}, subresource="status")
    wish = {"spec": {"scaling": {"api": {"max": 4}}}}
    told = lambda: refused(lambda: admin.merge(live, wish))  # noqa: E731
    assert f"ApiServiceClass {pinned['metadata']['name']} does not allow more than 3" in eventually(
        told, what="allowed"
    )
    admin.merge(live, {"spec": {"scaling": {"api": {"max": 2}}}})
    admin.delete(pinned)


def test_a_status_that_the_author_brings_along_chooses_no_class(admin: Client, shop: str, strict_default: str) -> None:
    lax = admin.create(service_class(named("lax")))
    forged = api_service(shop) | {"status": {"className": lax["metadata"]["name"]}}
    assert strict_default in refused(lambda: admin.create(forged, dry_run=True))
    admin.delete(lax)


def test_a_tightened_class_stops_edits_of_the_specification_and_nothing_else(admin: Client, shop: str) -> None:
    name = named("tightened")
    manifest = admin.create(service_class(name, limits={"maxReplicas": 9}))
    live = admin.create(api_service(shop, name=named("held"), class_name=name, **scaling(api=9, worker=9)))
    admin.merge(live, {"metadata": {"finalizers": ["fairlead.dev/teardown"]}})
    admin.merge(manifest, {"spec": {"limits": {"maxReplicas": 2}}})
    edit = {"spec": {"deletionPolicy": "Delete"}}
    eventually(lambda: refused(lambda: admin.merge(live, edit)), what="the tightened class is not in force")
    admin.merge(live, {"metadata": {"annotations": {"fairlead.dev/paused": "true"}}})
    admin.merge(live, {"status": {"url": "http://orders"}}, subresource="status")
    admin.delete(live)
    admin.merge(live, {"metadata": {"finalizers": None}})
    assert admin.get(live) is None
    admin.delete(manifest)


def test_limits_of_every_size_are_within_the_budget_of_the_policy(admin: Client, shop: str) -> None:
    patterns = [f"*.team{number:02}.databases.example.com" for number in range(64)]
    limits = {"endpoints": patterns, "hostnames": patterns, "annotations": patterns, "images": patterns[:32]}
    manifest = admin.create(service_class(named("large"), limits=limits))
    hosts = [f"broker{number:02}.team63.databases.example.com" for number in range(32)]
    spec = {
        "className": manifest["metadata"]["name"],
        "datastore": postgresql(hosts[0]),
        "cache": redis(mode="Cluster", cluster={"addresses": [f"{host}:6379" for host in hosts]}),
        "queue": kafka(*(f"{host}:9092" for host in hosts)),
        "exposure": ingress(*hosts[:16], **{hosts[0]: "x"}),
    }
    eventually(
        lambda: over(admin, shop, **spec | {"datastore": postgresql("evil.com")}),
        what="the large class is not in force",
    )
    admin.create(api_service(shop, **spec), dry_run=True)
    admin.delete(manifest)


def grant(admin: Client, namespace: str, user: str, *rules: Manifest) -> None:
    """Let `user` do in the namespace what the rules say."""
    rbac, name = "rbac.authorization.k8s.io", named("role")
    metadata = {"name": name, "namespace": namespace}
    admin.create({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": list(rules)})
    admin.create(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}],
        }
    )


WRITE = {
    "apiGroups": ["fairlead.dev"],
    "resources": ["apisvcs"],
    "verbs": ["get", "list", "create", "patch", "delete", "deletecollection"],
}


def may_read(*names: str) -> Manifest:
    return {"apiGroups": [""], "resources": ["secrets"], "resourceNames": list(names), "verbs": ["get"]}


@pytest.fixture
def author(admin: Client, connect: Callable[..., Client], shop: str) -> Client:
    """Somebody who writes ApiServices and may read the Secret `credentials`, and no other."""
    user = named("author")
    grant(admin, shop, user, WRITE, may_read("credentials"))
    client = connect(user)
    eventually(lambda: not over(client, shop), what="the author may not write")
    return client


MTLS = {"enabled": True, "mtls": {"secret": SECRET}}
TLS = {"mode": "VerifyFull", "caSecret": SECRET}
OTHER = {"name": "other"}
SASL = {"mechanism": "SCRAM-SHA-512", "credentialsSecret": SECRET}
NAMES_A_SECRET: dict[str, dict[str, Any]] = {
    "cache.redis.credentialsSecret": {"cache": redis(address="redis:6379", credentialsSecret=SECRET)},
    "cache.redis.tls.caSecret": {"cache": redis(address="redis:6379", tls=TLS)},
    "datastore.mysql.credentialsSecret": {
        "datastore": {"type": "MySQL", "mysql": postgresql()["postgresql"]},
    },
    "datastore.mysql.tls.caSecret": {
        "datastore": {"type": "MySQL", "mysql": postgresql(tls=TLS, credentialsSecret=OTHER)["postgresql"]},
    },
    "datastore.postgresql.credentialsSecret": {"datastore": postgresql()},
    "datastore.postgresql.tls.caSecret": {"datastore": postgresql(tls=TLS, credentialsSecret=OTHER)},
    "exposure.ingress.tlsSecret": {
        "exposure": {"type": "Ingress", "ingress": {"hostnames": ["a.example.com"], "tlsSecret": SECRET}},
    },
    "grpc.mtls.secret": {"grpc": MTLS},
    "queue.kafka.sasl.credentialsSecret": {
        "queue": {"type": "Kafka", "kafka": kafka("kafka:9092")["kafka"] | {"sasl": SASL}},
    },
    "queue.kafka.tls.caSecret": {"queue": {"type": "Kafka", "kafka": kafka("kafka:9092")["kafka"] | {"tls": TLS}}},
    "security.authentication.apiKeys.secret": {"security": {"authentication": {"apiKeys": {"secret": SECRET}}}},
    "security.tls.secret": {"security": {"tls": {"secret": SECRET}}},
}


def test_the_table_has_every_place_that_names_a_secret() -> None:
    paths = (OPERATOR / "files" / "secret-paths.yaml").read_text()
    assert [line[2:] for line in paths.splitlines() if line.startswith("- ")] == sorted(NAMES_A_SECRET)


@pytest.mark.parametrize("path", NAMES_A_SECRET)
def test_an_author_names_only_secrets_that_he_may_read(
    admin: Client, connect: Callable[..., Client], shop: str, path: str
) -> None:
    spec, user = NAMES_A_SECRET[path], named("author")
    grant(admin, shop, user, WRITE, may_read("other"))
    author = connect(user)
    eventually(lambda: not over(author, shop), what="the author may not write")
    message = refused(lambda: author.create(api_service(shop, **spec), dry_run=True))
    assert f"{user} may not get the Secret credentials that spec.{path} names" in message
    grant(admin, shop, user, may_read("credentials"))
    wanted = lambda: not refused(lambda: author.create(api_service(shop, **spec), dry_run=True))  # noqa: E731
    eventually(wanted, what="the author may read the Secret, and is refused")


def test_all_secrets_at_once_are_within_the_budget_of_the_policy(author: Client, shop: str) -> None:
    secured = postgresql(tls=TLS)
    spec = {
        "datastore": secured,
        "cache": redis(address="redis:6379", credentialsSecret=SECRET, tls=TLS),
        "queue": {"type": "Kafka", "kafka": kafka("kafka:9092")["kafka"] | {"sasl": SASL, "tls": TLS}},
        "security": {"tls": {"secret": SECRET}, "authentication": {"apiKeys": {"secret": SECRET}}},
        "grpc": MTLS,
        "exposure": NAMES_A_SECRET["exposure.ingress.tlsSecret"]["exposure"],
    }
    author.create(api_service(shop, **spec), dry_run=True)


def test_a_secret_of_somebody_else_cannot_be_sent_to_another_host(admin: Client, author: Client, shop: str) -> None:
    live = admin.create(api_service(shop, name=named("theirs"), datastore=postgresql(credentialsSecret=OTHER)))
    wish = {"spec": {"datastore": {"postgresql": {"host": "evil.com"}}}}
    assert "may not get the Secret other" in refused(lambda: author.merge(live, wish))
    author.merge(live, {"metadata": {"annotations": {"fairlead.dev/paused": "true"}}})
    admin.merge(live, {"spec": {"datastore": {"postgresql": {"host": "moved"}}}})
    author.delete(live)
    assert admin.get(live) is None


def test_a_protected_resource_cannot_be_deleted_by_anybody(admin: Client, author: Client, shop: str) -> None:
    live = admin.create(api_service(shop, name=named("protected")))
    admin.merge(live, {"metadata": {"annotations": PROTECTED}})
    said = f"ApiService {live['metadata']['name']} is protected; remove its annotation fairlead.dev/deletion-protection"
    for client in (admin, author):
        assert said in refused(lambda client=client: client.delete(live))  # type: ignore[misc]
        collection = client.path(live["apiVersion"], live["kind"], namespace=shop)
        selected = f"metadata.name={live['metadata']['name']}"
        parameters = {"fieldSelector": selected}
        every = lambda: client.request("DELETE", collection, **parameters)  # noqa: B023, E731
        assert said in refused(every)
    assert admin.get(live)


@pytest.mark.parametrize("value", [None, "false", ""], ids=["taken off", "false", "empty"])
def test_a_resource_whose_protection_is_off_can_be_deleted(admin: Client, shop: str, value: str | None) -> None:
    live = admin.create(api_service(shop, name=named("released")))
    admin.merge(live, {"metadata": {"annotations": PROTECTED}})
    admin.merge(live, {"metadata": {"annotations": dict.fromkeys(PROTECTED, value)}})
    admin.delete(live)
    assert admin.get(live) is None


def test_a_namespace_goes_with_the_protected_resources_in_it(admin: Client, policies: None) -> None:
    namespace: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": named("gone")}}
    admin.create(namespace)
    resource = api_service(namespace["metadata"]["name"])
    resource["metadata"]["annotations"] = PROTECTED
    admin.create(resource)
    admin.delete(namespace)
    eventually(lambda: admin.get(namespace) is None, what="the namespace is still there")
