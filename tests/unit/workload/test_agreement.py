"""What the plan writes into pods is what the workload understands: arguments, places, and time to drain."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead_contract.runtime import RuntimeDocument
from fairlead_workload.__main__ import ROLES, parser
from fairlead_workload.adapters import Surroundings
from fairlead_workload.service import Workload

CASES = Path(__file__).parents[2] / "golden" / "plan"
# What draining may take beyond its own time: outbox, admin listener, closing of the store.
CLOSE_SECONDS = 5


def children(case: Path) -> list[dict[str, Any]]:
    return [child for child in yaml.safe_load_all((case / "children.yaml").read_text()) if child]


def pods(case: Path) -> Iterator[dict[str, Any]]:
    for child in children(case):
        if child["kind"] in ("Deployment", "Job"):
            yield child["spec"]["template"]["spec"]


def before_the_signal(container: dict[str, Any]) -> int:
    sleep: int = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    return sleep


@pytest.mark.parametrize(
    "case", sorted(path.parent for path in CASES.glob("*/children.yaml")), ids=lambda path: path.name
)
def test_every_pod_of_the_plan_suits_the_workload(case: Path) -> None:
    [document] = [
        RuntimeDocument.model_validate(json.loads(child["data"]["runtime.json"]))
        for child in children(case)
        if child["kind"] == "ConfigMap" and "runtime.json" in child["data"]
    ]
    for pod in pods(case):
        [container] = pod["containers"]
        options = parser().parse_args(container["args"])
        places = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert str(Path(options.runtime).parent) in places
        if options.task in ROLES:
            workload = Workload(document, Surroundings(Path()), roles=ROLES[options.task])
            drain_seconds = before_the_signal(container) + workload.grace_seconds + CLOSE_SECONDS
            assert drain_seconds <= pod["terminationGracePeriodSeconds"]
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            assert ports["admin"] == options.admin_port
