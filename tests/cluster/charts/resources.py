"""ApiServices and classes as the tests of policies need them, and what the server says to them."""

import uuid
from collections.abc import Callable
from typing import Any

from ..client import ApiError, Client, Manifest

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


def over(client: Client, namespace: str, **spec: Any) -> str:
    """What is said of a DynamoDB table."""
    return refused(lambda: client.create(api_service(namespace, name=named("over"), **spec), dry_run=True))


def named(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"
