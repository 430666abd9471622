"""What is applied: copies of the orders example in five namespaces, and their children as the operator plans them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from bench.errors import Failed
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.plan import Capabilities, Stage
from fairlead_operator.reasons import ConditionDetail
from fairlead_operator.reconcile.planner import Planner

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "orders.yaml"
NAMESPACES = 5
IMAGE = "registry.example/fairlead-workload:1"
ALL_KINDS = Capabilities(prometheus=True, keda=True, gateway=True, cert_manager=True)
Manifest = dict[str, Any]


def services(count: int, *, prefix: str = "orders") -> list[Manifest]:
    """`count` ApiServices, spread over the namespaces."""
    example = yaml.safe_load(EXAMPLE.read_text())
    spec = {key: value for key, value in example["spec"].items() if key != "className"}
    head = {"apiVersion": example["apiVersion"], "kind": example["kind"]}
    return [
        head
        | {"metadata": {"name": f"{prefix}-{number:05}", "namespace": f"scale-{number % NAMESPACES}"}, "spec": spec}
        for number in range(count)
    ]


def namespaces() -> list[Manifest]:
    """The namespaces of all of them."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"scale-{number}"}}
        for number in range(NAMESPACES)
    ]


def children(live: Manifest) -> Iterator[Manifest]:
    """Everything that a live ApiService is to have, in the order of the plan."""
    prepared = Planner(image=IMAGE).prepare(live, {}, ALL_KINDS)
    if isinstance(prepared, ConditionDetail):
        raise Failed(f"scale: {prepared.message}")
    for stage in Stage:
        for wanted in prepared.desired[stage]:
            yield wanted.manifest


def children_each() -> int:
    """How many children each of them is to have."""
    [service] = services(1)
    return len(list(children(service | {"metadata": service["metadata"] | {"uid": "any", "generation": 1}})))


async def live_services(client: Client) -> list[Manifest]:
    """All ApiServices of the cluster."""
    found, _ = await client.list_all(kinds.API_SERVICE)
    return found
