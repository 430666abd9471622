"""What the operator would make of one ApiService on a cluster, found by server-side dry run: nothing is ever written.

The resource itself goes first, so that what admission refuses is reported and nothing is planned from it; the plan, the
class and whether a child differs are the operator's own judgement. Errors of single objects are part of the answer; any
other is an OperatorError.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fairlead_cli.plan.changes import Action, Change, ServiceChanges, compared
from fairlead_cli.plan.comparison import differences
from fairlead_contract import names
from fairlead_contract.spec.metadata import API_VERSION
from fairlead_operator.drift import pruning
from fairlead_operator.drift.desired import DesiredChild
from fairlead_operator.errors import ApiError, Conflict, Forbidden, Invalid, NotFound
from fairlead_operator.kube import kinds, managed_fields
from fairlead_operator.kube.client import Client, Manifest
from fairlead_operator.kube.discovery import optional_kinds, serves
from fairlead_operator.kube.kinds import Kind
from fairlead_operator.manifests import Ref
from fairlead_operator.plan import RUNBOOKS, Capabilities, Plan, Stage, classes
from fairlead_operator.reasons import ConditionDetail
from fairlead_operator.reconcile.planner import Planner, PreparedPlan
from fairlead_operator.reconcile.provisioning import has_succeeded

_DENIED = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)"| at the cluster scope)'
)
_IMPERSONATING = " cannot impersonate"
_HELD = "is there already, and not this ApiService's; delete or rename one of them"
_SILENT_CLASS = {"apiVersion": API_VERSION, "kind": "ApiServiceClass", "spec": {}}
_GOING = "is still going with the ApiService of this name before; try again"


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What the plan depends on beside the resource.

    `served` is what the cluster has, `capabilities` what to plan for; `class_` is used instead of any other; `image`
    is None when no option says which one the operator has, and `usual_image` is used where no object shows it.
    """

    served: Capabilities
    capabilities: Capabilities
    class_: Manifest | None
    image: str | None
    usual_image: str


async def served(client: Client) -> Capabilities:
    """Which optional kinds the cluster has. NotFound when it has not even ours."""
    await client.request("GET", kinds.API_SERVICE.root)
    capabilities = {name: await serves(client, wanted) for name, wanted in optional_kinds().items()}
    return Capabilities(**capabilities)


def denial(error: ApiError) -> str:
    """A missing right and its remedy, if that is what the error says; else the server's own message."""
    if isinstance(error, Forbidden) and _IMPERSONATING in error.message:
        return "you may not act as the user that `as` of the kubeconfig names; ask for a role with impersonate"
    match = _DENIED.search(error.message)
    if not isinstance(error, Forbidden) or match is None:
        return error.message
    resource = ".".join(part for part in (match["resource"], match["group"]) if part)
    where = f"in the namespace {match['namespace']}" if match["namespace"] else "in the cluster"
    why = " (a dry run needs the right to write)" if match["verb"] in {"create", "patch"} else ""
    return f"you may not {match['verb']} {resource} {where}; ask for a role that allows it{why}"


async def preview(client: Client, manifest: Manifest, inputs: PlanInputs) -> tuple[ServiceChanges, Plan | None]:
    """The changes that applying `manifest` (with a namespace) would make, and the plan when there is one.

    NotFound when the namespace is not there.
    """
    metadata = manifest["metadata"]
    live = await client.get(kinds.API_SERVICE, namespace=metadata["namespace"], name=metadata["name"])
    ref = Ref.of(manifest)
    service = ServiceChanges(metadata["namespace"], metadata["name"], Change(Action.CREATE, ref))
    try:
        submitted = await _submit(client, manifest, live)
    except (Invalid, Forbidden, Conflict) as error:
        service.itself = Change(Action.REFUSED, ref, denial(error))
        return service, None
    if live is not None:
        service.itself = compared(ref, differences(live, submitted))
    image = inputs.image or _known_image(live)
    planner = Planner(image=image or inputs.usual_image, runbooks=await _known_runbooks(client, live, inputs.served))
    available = await _classes(client, submitted, inputs, service.notes)
    prepared = planner.prepare(_in_class(submitted, inputs), available or {}, inputs.capabilities)
    if isinstance(prepared, ConditionDetail):
        return _refused(service, prepared), None
    if prepared.refused is not None:
        return _refused(service, prepared.refused), None
    service.class_name = prepared.class_name if available is not None else ""
    service.notes += _notes(submitted, prepared, is_guess=not image and prepared.image == inputs.usual_image)
    service.children = await _children(client, submitted, prepared, inputs.served, service.notes)
    return service, prepared.plan


def _refused(service: ServiceChanges, trouble: ConditionDetail) -> ServiceChanges:
    service.itself = Change(Action.REFUSED, service.itself.ref, f"{trouble.reason}: {trouble.message}")
    return service


async def _submit(client: Client, manifest: Manifest, live: Manifest | None) -> Manifest:
    """The resource as the server would keep it. What the file does not name in the specification goes."""
    metadata = manifest["metadata"]
    if live is None:
        return await client.create(kinds.API_SERVICE, {key: manifest[key] for key in manifest if key != "status"})
    kept_metadata = {name: metadata[name] for name in ("labels", "annotations") if metadata.get(name)}
    change = {"metadata": kept_metadata, "spec": _replacing(live["spec"], manifest["spec"])}
    return await client.merge(kinds.API_SERVICE, change, namespace=metadata["namespace"], name=metadata["name"])


def _replacing(before: Mapping[str, Any], after: Mapping[str, Any]) -> Manifest:
    """The merge patch that leaves nothing of `before` which `after` does not have."""
    change: Manifest = dict.fromkeys(key for key in before if key not in after)
    for key, value in after.items():
        old = before.get(key)
        change[key] = _replacing(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return change


def _in_class(submitted: Manifest, inputs: PlanInputs) -> Manifest:
    """The resource in the class that was given, if one was."""
    if inputs.class_ is None:
        return submitted
    return submitted | {"spec": submitted["spec"] | {"className": inputs.class_["metadata"]["name"]}}


async def _classes(
    client: Client, submitted: Manifest, inputs: PlanInputs, notes: list[str]
) -> dict[str, Manifest] | None:
    """The classes to choose from, by name. Who may not read them gets a note, and a class that says nothing.

    None where not even its name is known.
    """
    if inputs.class_ is not None:
        return {inputs.class_["metadata"]["name"]: inputs.class_}
    name = classes.named(submitted)
    try:
        if name:
            class_ = await client.get(kinds.API_SERVICE_CLASS, name=name)
            return {name: class_} if class_ is not None else {}
        found_all, _ = await client.list_all(kinds.API_SERVICE_CLASS)
    except Forbidden as error:
        notes.append(f"{denial(error)}, or give --class FILE; what the class says is left out of this plan")
        return {name: _SILENT_CLASS | {"metadata": {"name": name, "resourceVersion": ""}}} if name else None
    return {each["metadata"]["name"]: each for each in found_all}


def _known_image(live: Manifest | None) -> str:
    """The image that runs, unless it is the resource's own choice: then the operator's is unknown."""
    if live is None or live["spec"].get("runtime", {}).get("image"):
        return ""
    return str(live.get("status", {}).get("runtimeVersion", ""))


async def _known_runbooks(client: Client, live: Manifest | None, served: Capabilities) -> str:
    """The page that the operator's alerts lead to, by those that are there; else the usual one."""
    if live is None or not served.prometheus:
        return RUNBOOKS
    metadata = live["metadata"]
    try:
        rule = await client.get(kinds.PROMETHEUS_RULE, namespace=metadata["namespace"], name=f"{metadata['name']}-api")
    except Forbidden:
        return RUNBOOKS
    rules = [each for group in (rule or {}).get("spec", {}).get("groups", ()) for each in group.get("rules", ())]
    urls = [each["annotations"]["runbook_url"] for each in rules if "runbook_url" in each.get("annotations", {})]
    return str(urls[0]).partition("#")[0] if urls else RUNBOOKS


def _notes(submitted: Manifest, prepared: PreparedPlan, *, is_guess: bool) -> list[str]:
    notes = []
    if is_guess:
        notes.append(
            f"the image is taken to be {prepared.image}; the operator's own setting is not known here: --image"
        )
    annotations = submitted["metadata"].get("annotations", {})
    if annotations.get(names.ANNOTATION_PAUSED) == "true":
        notes.append(f"the operator does nothing of this while the annotation {names.ANNOTATION_PAUSED} is true")
    return notes


async def _children(
    client: Client, submitted: Manifest, prepared: PreparedPlan, has: Capabilities, notes: list[str]
) -> list[Change]:
    metadata = submitted["metadata"]
    present = await _present(client, metadata["namespace"], metadata["name"], has, notes)
    wanted = [each for stage in Stage for each in prepared.desired[stage]]
    once = {each.ref for each in prepared.desired[Stage.PROVISION]}
    is_provisioned = has_succeeded(submitted.get("status", {}), prepared.plan.provision_hash)

    async def one(each: DesiredChild) -> Change:
        if each.ref in once and is_provisioned and each.ref not in present:
            return Change(Action.UNCHANGED, each.ref)
        return await _child(client, submitted, each, present.get(each.ref), is_once=each.ref in once)

    changes = list(await asyncio.gather(*(one(each) for each in wanted)))
    own = [ref for ref, each in present.items() if _is_own(each, metadata["uid"])]
    owner = (metadata["namespace"], metadata["name"])
    surplus = await pruning.surplus(client, owner, own, [each.ref for each in wanted])
    return [*changes, *(Change(Action.DELETE, ref) for ref in surplus)]


async def _present(
    client: Client, namespace: str, name: str, has: Capabilities, notes: list[str]
) -> dict[Ref, Manifest]:
    """Everything that carries the label of the ApiService. What may not be listed is noted."""
    selector = f"{names.LABEL_APISVC}={name}"

    async def listed(kind: Kind) -> list[Manifest] | Forbidden:
        try:
            return (await client.list_all(kind, namespace=namespace, selector=selector))[0]
        except Forbidden as error:
            return error

    served_kinds = [kind for kind in kinds.CHILDREN if not kind.capability or getattr(has, kind.capability)]
    lists = await asyncio.gather(*map(listed, served_kinds))
    notes += [f"{denial(each)}; which of them would go is not known" for each in lists if isinstance(each, Forbidden)]
    return {
        Ref(kind.group, kind.name, each["metadata"]["name"]): {"apiVersion": kind.api_version, "kind": kind.name} | each
        for kind, items in zip(served_kinds, lists, strict=True)
        if not isinstance(items, Forbidden)
        for each in items
    }


def _is_own(live: Manifest, uid: str) -> bool:
    return managed_fields.owner_uid(live) == uid and "deletionTimestamp" not in live["metadata"]


async def _child(
    client: Client, submitted: Manifest, wanted: DesiredChild, live: Manifest | None, *, is_once: bool
) -> Change:
    """What becomes of one child, by the same steps as when it is applied."""
    namespace, uid, ref = submitted["metadata"]["namespace"], submitted["metadata"]["uid"], wanted.ref
    try:
        live = live or await client.get(wanted.kind, namespace=namespace, name=ref.name)
        if live is None:
            await client.apply_new(wanted.kind, wanted.manifest)
            return Change(Action.CREATE, ref)
        if not _is_own(live, uid):
            return Change(Action.REFUSED, ref, _GOING if _will_be_pruned(live, submitted) else _HELD)
        if is_once or managed_fields.live_digest(live) == wanted.digest:
            return Change(Action.UNCHANGED, ref)
        after = await client.apply_known(wanted.kind, wanted.manifest, uid=live["metadata"]["uid"])
    except NotFound:
        return Change(
            Action.REFUSED, ref, f"the cluster does not serve {ref.kind}; install it, or correct --capabilities"
        )
    except (Invalid, Forbidden, Conflict) as error:
        return Change(Action.REFUSED, ref, denial(error))
    return compared(ref, differences(live, after))


def _will_be_pruned(live: Manifest, submitted: Manifest) -> bool:
    """Whether it goes by itself: it is being deleted, or its ApiService was one of the same name that is gone."""
    owner = managed_fields.controller(live)
    name = submitted["metadata"]["name"]
    return "deletionTimestamp" in live["metadata"] or (owner is not None and owner["name"] == name)
