"""Another version of the operator takes over: what it would write as it is there already is not written again.

Once after a version that ran here, and once after objects and a status that are kept in files, as a version before this
one left them: these fail when anything makes equal output look different, such as another way to take digests.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead_contract.names import FIELD_MANAGER
from fairlead_operator.drift import desired
from fairlead_operator.manifests import Ref

from ..client import Client, Manifest
from ..waiting import eventually
from .apisvc import Resource
from .fullest import CLASS_FILE, FULL, full, planned
from .harness import Running, side_by_side

pytestmark = pytest.mark.usefixtures("simulator")
STATUS = Path(__file__).parent / "stored" / "status.yaml"
NEXT = "registry.example/fairlead-workload:2"
# As in the golden files; by default it is another page with each version.
RUNBOOKS = "https://docs.example/alerts.md"
PINNED = {"image": "registry.example/pinned:1"}
# The runtime document names its namespace, so its hash is another one in another namespace.
RUNTIME_HASH = str(yaml.safe_load((FULL / "plan.yaml").read_text())["runtimeHash"])
OWN_NAMESPACE = re.compile(
    r'(namespace: |namespace="|"namespace":"|orders-(?:api|grpc)\.|apisvc/|(?=shop/orders))shop\b(?!/workload)'
)


def test_another_default_image_writes_nothing_for_those_who_pin_theirs(
    admin: Client, namespace: str, start: Callable[..., Running], make: Callable[..., Resource]
) -> None:
    first = start(class_file=str(CLASS_FILE))
    pinned = [Resource(admin, full(namespace, "full")).create(), make("pinned", runtime=PINNED)]
    follows = make("follows")
    side_by_side(*(lambda each=each: each.until("Ready", "True") for each in (*pinned, follows)))
    first.settle()
    first.stop()
    second = start(class_file=str(CLASS_FILE), image=NEXT)
    eventually(lambda: follows.live()["status"]["runtimeVersion"] == NEXT, what="the image is another one")
    follows.until("Ready", "True")
    second.settle()
    about = {each.path for each in second.writes()}
    others = {path for path in about if not re.search(rf"/{follows.name}(-|/|$)", path)}
    assert about
    assert others == set()


def test_what_a_version_before_left_is_not_written_again(
    admin: Client, namespace: str, start: Callable[..., Running]
) -> None:
    resource = Resource(admin, full(namespace, "orders")).create()
    children = list(stored_children(resource.live()))
    for child in children:
        admin.apply(child, manager=FIELD_MANAGER)
    eventually(lambda: all(rests(admin.get(each)) for each in children), what="pods are there, and the Job is done")
    status = stored_status(admin, children, runtime_hash=planned(resource.live()).runtime_hash)
    admin.merge(resource.manifest, {"status": status}, subresource="status")
    operator = start(class_file=str(CLASS_FILE), image=NEXT, runbooks=RUNBOOKS)
    operator.settle()
    operator.resync()
    assert operator.writes() == []
    assert [each for each in operator.sent_by_us() if each.method == "GET"], "it did not look at all"


def stored_children(live: Manifest) -> list[Manifest]:
    """The golden children, as those of this resource. The OpenAPI document has a golden file of its own."""
    made, namespace = planned(live), live["metadata"]["namespace"]
    text = OWN_NAMESPACE.sub(rf"\g<1>{namespace}", (FULL / "children.yaml").read_text())
    children: list[Manifest] = list(yaml.safe_load_all(text.replace(RUNTIME_HASH, made.runtime_hash)))
    for child in children:
        child["metadata"]["ownerReferences"][0]["uid"] = live["metadata"]["uid"]
        if "openapi.json" in child.get("data", {}):
            (contract,) = (each for each in made.children if each.name == child["metadata"]["name"])
            child["data"] = contract.manifest["data"]
    return children


def stored_status(client: Client, children: list[Manifest], *, runtime_hash: str) -> Manifest:
    """The status as it was; of the children, it has what no file can know."""
    status: Manifest = yaml.safe_load(STATUS.read_text().replace(RUNTIME_HASH, runtime_hash))
    status["children"] = [entry(client.get(each), each) for each in sorted(children, key=Ref.of)]
    return status


def entry(live: Manifest | None, child: Manifest) -> dict[str, Any]:
    assert live is not None
    ref = Ref.of(child)
    named = {"group": ref.group} if ref.group else {}
    digest = desired.digest(child)
    return {**named, "kind": ref.kind, "name": ref.name, "uid": live["metadata"]["uid"], "hash": digest}


def rests(live: Manifest | None) -> bool:
    """Whether its controllers have done what they do."""
    assert live is not None
    status = live.get("status", {})
    if live["kind"] == "Deployment":
        return bool(status.get("availableReplicas")) and status.get("observedGeneration") == 1
    return live["kind"] != "Job" or bool(status.get("succeeded"))
