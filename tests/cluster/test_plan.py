"""Every golden case of the plan on a real API server.

It takes each child as it is, without a warning, under the Pod Security level "restricted"; what it gives back says what
was meant; and applying the same again writes nothing.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_operator.plan import BUILT_IN_CLASS, Capabilities, Child, plan, teardown

from .client import Client, Manifest
from .test_crds import differences

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted(path.parent for path in (ROOT / "tests" / "golden" / "plan").glob("*/resource.yaml"))
NOTHING = Capabilities(prometheus=False, keda=False, gateway=False, cert_manager=False)
IMAGE = "fairlead-workload:test"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


def capabilities(case: Path) -> Capabilities:
    text = (case / "capabilities").read_text() if (case / "capabilities").exists() else "prometheus"
    named = [name.strip().replace("-", "_") for name in text.split(",") if name.strip()]
    return replace(NOTHING, **dict.fromkeys(named, True))


def children(case: Path, namespace: str) -> list[Child]:
    """Everything the case makes, in the order of applying, and what would tear it down."""
    document = yaml.safe_load((case / "resource.yaml").read_text())
    document["metadata"]["namespace"] = namespace
    resource, class_ = ApiService.model_validate(document), BUILT_IN_CLASS
    if (case / "class.yaml").exists():
        class_ = ApiServiceClass.model_validate(yaml.safe_load((case / "class.yaml").read_text()))
    made = plan(resource, class_, capabilities=capabilities(case), image=IMAGE)
    return [*made.children, *teardown(resource, class_, image=IMAGE)]


@pytest.fixture
def restricted(admin: Client, namespace: str) -> str:
    """A namespace that takes restricted pods only."""
    here: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    admin.merge(here, {"metadata": {"labels": RESTRICTED}})
    return namespace


def drift(intent: Manifest, live: Manifest) -> Iterator[str]:
    for difference in differences(intent, live):
        yield f"{intent['kind']} {intent['metadata']['name']}{difference}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_server_gives_back_what_was_meant(admin: Client, restricted: str, case: Path) -> None:
    admin.warnings.clear()
    found: list[str] = []
    for child in children(case, restricted):
        live = admin.apply(child.manifest, manager="fairlead")
        found += drift(child.manifest, live)
        again = admin.apply(child.manifest, manager="fairlead")
        if child.kind not in {"Job", "Deployment", "PodDisruptionBudget"}:  # their controllers write a status meanwhile
            assert again["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"], child.key
    assert not found
    assert not admin.warnings


def test_pods_of_the_fullest_case_are_admitted(admin: Client, restricted: str) -> None:
    [full] = [case for case in CASES if case.name == "full"]
    for child in children(full, restricted):
        if child.kind not in {"Deployment", "Job"}:
            continue
        template = child.manifest["spec"]["template"]
        metadata = {**template["metadata"], "name": f"{child.name}-pod", "namespace": restricted}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": dict(template["spec"])}
        account = {"apiVersion": "v1", "kind": "ServiceAccount"}
        admin.apply(account | {"metadata": {"name": pod["spec"]["serviceAccountName"], "namespace": restricted}})
        assert admin.create(pod, dry_run=True)["spec"]["serviceAccountName"]
