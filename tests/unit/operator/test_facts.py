"""What is read off a live child."""

from typing import Any

import pytest

from fairlead_operator.facts import rollout

SERVES = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}


def deployment(
    status: dict[str, Any],
    *,
    reason: str = "NewReplicaSetAvailable",
    replicas: int = 2,
    strategy: str = "RollingUpdate",
) -> dict[str, Any]:
    condition = {"type": "Progressing", "status": "True", "reason": reason, "message": ""}
    return {
        "metadata": {"name": "orders-api", "generation": 2, "labels": {"app.kubernetes.io/component": "api"}},
        "spec": {"replicas": replicas, "strategy": {"type": strategy}},
        "status": status | {"conditions": [condition]},
    }


@pytest.mark.parametrize(
    ("live", "complete"),
    [
        (deployment(SERVES), True),
        (deployment(SERVES | {"observedGeneration": 1}), False),
        (deployment(SERVES | {"updatedReplicas": 1}, reason="ReplicaSetUpdated"), False),
        (deployment({"observedGeneration": 2, "replicas": 2, "availableReplicas": 2}), False),
        (deployment({"observedGeneration": 2}), False),
        (deployment({"observedGeneration": 2}, replicas=0), True),
        (deployment(SERVES, replicas=5), True),
        (deployment(SERVES | {"availableReplicas": 0}), True),
        (deployment(SERVES, strategy="Recreate"), True),
        (deployment(SERVES | {"availableReplicas": 0}, strategy="Recreate"), False),
        (deployment({"observedGeneration": 2}, replicas=0, strategy="Recreate"), True),
        (deployment({}), False),
    ],
    ids=[
        "all pods are new",
        "the controller has not seen the template",
        "one pod is new",
        "old pods run, and what is told is of the rollout before",
        "old pods end, and what is told is of the rollout before",
        "scaled to zero",
        "scaling up is no rollout",
        "pods that went away later are no rollout",
        "recreated",
        "recreated from a template that was used before, and not yet available",
        "recreated at zero",
        "nothing is known",
    ],
)
def test_a_rollout_is_complete_when_all_pods_are_new(live: dict[str, Any], complete: bool) -> None:
    assert rollout(live).complete is complete


REFUSED = {
    'pods "orders-api-65f4-x2k" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2': (
        "a pod is forbidden: exceeded quota: few, requested: pods=1, limited: pods=2"
    ),
    'pods "a-b" is forbidden: exceeded quota: few, requested: cpu=1,memory=1Gi, used: cpu=2,memory=0, limited: cpu=2': (
        "a pod is forbidden: exceeded quota: few, requested: cpu=1,memory=1Gi, limited: cpu=2"
    ),
    'Pod "orders-api-65f4-9zz7c" is invalid: spec.priority: Forbidden': "a pod is invalid: spec.priority: Forbidden",
    'admission webhook "mesh.example.com" denied the request: no': (
        'admission webhook "mesh.example.com" denied the request: no'
    ),
}


@pytest.mark.parametrize(("message", "lasting"), REFUSED.items())
def test_why_pods_are_refused_reads_the_same_at_each_try(message: str, lasting: str) -> None:
    live = deployment(SERVES)
    live["status"]["conditions"].append({"type": "ReplicaFailure", "status": "True", "message": message})
    assert rollout(live).refused == lasting
