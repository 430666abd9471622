"""Secrets that an author may not read, and protected resources, on a real API server."""

from collections.abc import Callable
from typing import Any

import pytest

from ..client import Client, Manifest
from ..waiting import eventually
from .helm import OPERATOR
from .resources import PROTECTED, SECRET, api_service, kafka, named, over, postgresql, redis, refused

POLICIES = ("class-limits", "deletion-protection", "secret-access")


def test_the_policies_are_free_of_type_warnings(admin: Client, policies: None) -> None:
    version, kind = "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"

    def checked(name: str) -> Manifest | None:
        live = admin.get({"apiVersion": version, "kind": kind, "metadata": {"name": f"fairlead-{name}"}})
        done = live and live.get("status", {}).get("observedGeneration") == live["metadata"]["generation"]
        return live if done else None

    for name in POLICIES:
        live = eventually(lambda name=name: checked(name), what=f"{name} was not type checked")  # type: ignore[misc]
        assert live["status"].get("typeChecking", {}) == {}


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
CLIENT = {"mode": "VerifyFull", "clientSecret": SECRET}
SASL = {"mechanism": "SCRAM-SHA-512", "credentialsSecret": SECRET}
NAMES_A_SECRET: dict[str, dict[str, Any]] = {
    "cache.redis.credentialsSecret": {"cache": redis(address="redis:6379", credentialsSecret=SECRET)},
    "cache.redis.tls.caSecret": {"cache": redis(address="redis:6379", tls=TLS)},
    "cache.redis.tls.clientSecret": {"cache": redis(address="redis:6379", tls=CLIENT)},
    "datastore.mysql.credentialsSecret": {
        "datastore": {"type": "MySQL", "mysql": postgresql()["postgresql"]},
    },
    "datastore.mysql.tls.caSecret": {
        "datastore": {"type": "MySQL", "mysql": postgresql(tls=TLS, credentialsSecret=OTHER)["postgresql"]},
    },
    "datastore.mysql.tls.clientSecret": {
        "datastore": {"type": "MySQL", "mysql": postgresql(tls=CLIENT, credentialsSecret=OTHER)["postgresql"]},
    },
    "datastore.postgresql.credentialsSecret": {"datastore": postgresql()},
    "datastore.postgresql.tls.caSecret": {"datastore": postgresql(tls=TLS, credentialsSecret=OTHER)},
    "datastore.postgresql.tls.clientSecret": {"datastore": postgresql(tls=CLIENT, credentialsSecret=OTHER)},
    "exposure.ingress.tlsSecret": {
        "exposure": {"type": "Ingress", "ingress": {"hostnames": ["a.example.com"], "tlsSecret": SECRET}},
    },
    "grpc.mtls.secret": {"grpc": MTLS},
    "queue.kafka.sasl.credentialsSecret": {
        "queue": {"type": "Kafka", "kafka": kafka("kafka:9092")["kafka"] | {"sasl": SASL}},
    },
    "queue.kafka.tls.caSecret": {"queue": {"type": "Kafka", "kafka": kafka("kafka:9092")["kafka"] | {"tls": TLS}}},
    "queue.kafka.tls.clientSecret": {
        "queue": {"type": "Kafka", "kafka": kafka("kafka:9092")["kafka"] | {"tls": CLIENT}}
    },
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


ISSUER = {"name": "internal"}


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        ("security.tls", {"security": {"tls": {"secret": SECRET, "issuer": ISSUER}}}),
        ("grpc.mtls", {"grpc": {"enabled": True, "mtls": {"secret": SECRET, "issuer": ISSUER}}}),
    ],
)
def test_an_author_has_certificates_written_only_where_he_may_write(
    admin: Client, author: Client, shop: str, path: str, spec: dict[str, Any]
) -> None:
    message = refused(lambda: author.create(api_service(shop, **spec), dry_run=True))
    assert f"may not update the Secret credentials, which spec.{path}.issuer would have overwritten" in message
    admin.create(api_service(shop, **spec), dry_run=True)


def test_all_secrets_at_once_are_within_the_budget_of_the_policy(admin: Client, author: Client, shop: str) -> None:
    secured = postgresql(tls=TLS)
    spec = {
        "datastore": secured,
        "cache": redis(address="redis:6379", credentialsSecret=SECRET, tls=TLS),
        "queue": {"type": "Kafka", "kafka": kafka("kafka:9092")["kafka"] | {"sasl": SASL, "tls": TLS}},
        "security": {
            "tls": {"secret": SECRET, "issuer": ISSUER},
            "authentication": {"apiKeys": {"secret": SECRET}},
        },
        "grpc": {"enabled": True, "mtls": {"secret": SECRET, "issuer": ISSUER}},
        "exposure": NAMES_A_SECRET["exposure.ingress.tlsSecret"]["exposure"],
    }
    admin.create(api_service(shop, **spec), dry_run=True)
    assert "may not update" in refused(lambda: author.create(api_service(shop, **spec), dry_run=True))


def test_a_secret_of_somebody_else_cannot_be_sent_to_another_host(admin: Client, author: Client, shop: str) -> None:
    live = admin.create(api_service(shop, name=named("theirs"), datastore=postgresql(credentialsSecret=OTHER)))
    change = {"spec": {"datastore": {"postgresql": {"host": "evil.com"}}}}
    assert "may not get the Secret other" in refused(lambda: author.merge(live, change))
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
