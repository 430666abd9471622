"""What has to go."""

from typing import Any

from fairlead_operator.drift.inventory import mounted, prune, prune_first
from fairlead_operator.manifests import Ref

API = Ref("apps", "Deployment", "orders-api")
OLD = Ref("", "ConfigMap", "orders-runtime-1")
NEW = Ref("", "ConfigMap", "orders-runtime-2")
ACCOUNT = Ref("", "ServiceAccount", "orders-worker")
SCALER = Ref("autoscaling", "HorizontalPodAutoscaler", "orders-worker")
KEDA = Ref("keda.sh", "ScaledObject", "orders-worker")


def test_what_is_not_desired_goes_and_what_it_leans_on_goes_last() -> None:
    assert prune([OLD, ACCOUNT, API, NEW], [NEW]) == [API, OLD, ACCOUNT]


def test_what_is_in_use_stays() -> None:
    assert prune([OLD, NEW], [NEW], in_use=[OLD]) == []


def test_nothing_goes_when_all_is_desired() -> None:
    assert prune([API], [API, NEW]) == []


def test_one_scaler_goes_before_the_other_comes() -> None:
    assert prune_first([SCALER, API], [KEDA, API]) == [SCALER]
    assert prune_first([KEDA], [SCALER]) == [KEDA]


def test_a_scaler_that_is_not_replaced_goes_with_the_others() -> None:
    assert prune_first([SCALER, KEDA], [KEDA]) == []
    assert prune([SCALER, KEDA], [KEDA]) == [SCALER]


def test_what_a_deployment_keeps_for_a_rollback_is_in_use_and_what_one_that_goes_leaves_is_not() -> None:
    def replica_set(deployment: str, config_map: str) -> dict[str, Any]:
        volumes = [{"name": "runtime", "configMap": {"name": config_map}}]
        metadata = {"ownerReferences": [{"kind": "Deployment", "name": deployment}]}
        return {"metadata": metadata, "spec": {"template": {"spec": {"volumes": volumes}}}}

    sets = [replica_set("orders-api", "old"), replica_set("orders-api", "new"), replica_set("orders-worker", "queue")]
    found = mounted(sets, deployments={"orders-api"})
    assert {ref.name for ref in found} == {"old", "new"}
