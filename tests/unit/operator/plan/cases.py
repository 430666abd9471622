"""Resources and plans for the tests: the golden cases, and small ones made from a few lines of YAML."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_operator.plan import BUILT_IN_CLASS, Capabilities, Child, Plan, plan

GOLDEN = Path(__file__).parents[3] / "golden" / "plan"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/resource.yaml"))
EVERYTHING = Capabilities(prometheus=True, keda=True, gateway=True, cert_manager=True)
NOTHING = Capabilities(prometheus=False, keda=False, gateway=False, cert_manager=False)
IMAGE = "fairlead-workload:test"
UID = "9a3b1c52-0000-4000-8000-000000000000"
WORKLOADS = {"Deployment", "Job"}


def service(extra: str = "", *, name: str = "orders", namespace: str = "shop", resource: str = "") -> ApiService:
    """An ApiService with one resource; `extra` are further members of `spec`, `resource` of the resource, as YAML."""
    described = {
        "name": "orders",
        "key": {"partition": "id"},
        "schema": {"type": "object", "properties": {"id": {"type": "string"}, "total": {"type": "integer"}}},
    }
    spec = {"api": {"resources": [described | (yaml.safe_load(resource) or {})]}} | (yaml.safe_load(extra) or {})
    document = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiService", "spec": spec}
    return ApiService.model_validate(document | {"metadata": {"name": name, "namespace": namespace}})


def class_of(spec: str = "") -> ApiServiceClass:
    """A class with this `spec`, as YAML."""
    return ApiServiceClass.model_validate(
        {
            "apiVersion": "fairlead.dev/v1alpha1",
            "kind": "ApiServiceClass",
            "metadata": {"name": "standard"},
            "spec": yaml.safe_load(spec) or {},
        }
    )


def planned(
    resource: ApiService | str = "",
    class_: ApiServiceClass = BUILT_IN_CLASS,
    *,
    capabilities: Capabilities = EVERYTHING,
    uid: str = UID,
) -> Plan:
    """The plan of a resource, or of one with these members of `spec`."""
    asked = service(resource) if isinstance(resource, str) else resource
    return plan(asked, class_, capabilities=capabilities, image=IMAGE, uid=uid)


def golden_inputs(case: str) -> tuple[ApiService, ApiServiceClass]:
    folder = GOLDEN / case
    resource = ApiService.model_validate(yaml.safe_load((folder / "resource.yaml").read_text()))
    file = folder / "class.yaml"
    return resource, ApiServiceClass.model_validate(yaml.safe_load(file.read_text())) if file.exists() else class_of()


@cache
def golden(case: str) -> Plan:
    """The plan of a golden case on a cluster that has every kind."""
    resource, class_ = golden_inputs(case)
    return planned(resource, class_)


def child(made: Plan, kind: str, name: str = "") -> Child:
    """The one child of this kind (and name)."""
    [found] = [each for each in made.children if each.kind == kind and name in ("", each.name)]
    return found


def kinds(made: Plan) -> list[str]:
    return [each.kind for each in made.children]


def container(workload: Child) -> dict[str, Any]:
    [found] = workload.manifest["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def files(workload: Child) -> set[str]:
    """The files of Secrets that the pod sees, as FOLDER/KEY."""
    volumes = workload.manifest["spec"]["template"]["spec"]["volumes"]
    sources = [source for volume in volumes for source in volume.get("projected", {}).get("sources", [])]
    return {item["path"] for source in sources for item in source["secret"]["items"]}
