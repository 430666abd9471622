"""The fullest golden case as a resource on the cluster: a child of every kind but an Ingress.

Its class is given to the operator in a file, so that nothing of it is cluster-wide.
"""

from pathlib import Path
from typing import Any

import yaml

from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_operator.drift import desired
from fairlead_operator.manifests import Ref
from fairlead_operator.plan import Capabilities, Plan, plan

from ..client import Manifest

FULL = Path(__file__).resolve().parents[2] / "golden" / "plan" / "full"
CLASS_FILE = FULL / "class.yaml"
IMAGE = "registry.example/fairlead-workload:1"
EVERYTHING = Capabilities(prometheus=True, keda=True, gateway=True, cert_manager=True)


def full(namespace: str, name: str, **spec: Any) -> Manifest:
    """The ApiService under another name; keywords replace parts of its spec. What is outside the cluster stays."""
    manifest: Manifest = yaml.safe_load((FULL / "resource.yaml").read_text())
    manifest["metadata"] = {"name": name, "namespace": namespace}
    manifest["spec"] |= {"deletionPolicy": "Retain"} | spec
    return manifest


def planned(live: Manifest) -> Plan:
    """Everything that an ApiService is to have on a cluster that has everything."""
    class_ = ApiServiceClass.model_validate(yaml.safe_load(CLASS_FILE.read_text()))
    asked = ApiService.model_validate({key: value for key, value in live.items() if key != "status"})
    uid = live["metadata"].get("uid", "")
    return plan(asked, class_, capabilities=EVERYTHING, image=IMAGE, uid=uid)


def intents(live: Manifest) -> dict[Ref, str]:
    """The digest of what each child is to be."""
    return {Ref.of(child.manifest): desired.digest(child.manifest) for child in planned(live).children}
