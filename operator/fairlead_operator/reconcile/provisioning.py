"""The provision Job: started, awaited, and its result taken from the termination message of its pod.

The result stays in the status, so a Job that is deleted afterwards is not run again; until it
is written, the message is remembered. The status also says which Job was started and which ended without a result, so
whoever reads it goes on where the last operator stopped: a Job that fails or is stuck gives way to another one once
that is requested, and one without a result is run again a few times, with growing pauses. It has the mark of the store,
too, which later Jobs are given: none begins a store anew because the one that was there is gone.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fairlead_contract import names
from fairlead_operator.cache.records import CachedChild, Name
from fairlead_operator.cache.workload_state import JobEnd
from fairlead_operator.diagnosis import causes
from fairlead_operator.diagnosis.inspector import Inspector
from fairlead_operator.diagnosis.job_result import listed, parse
from fairlead_operator.drift.desired import DesiredChild
from fairlead_operator.manifests import Ref
from fairlead_operator.plan.children import Binding
from fairlead_operator.reasons import ConditionDetail, Reason
from fairlead_operator.reconcile.applier import Applied, Applier
from fairlead_operator.status.conditions import condition_detail

# After a Job that succeeded without a result; without a pause left, provisioning has failed.
PAUSES_SECONDS = (5.0, 15.0)
MOST_TRIES = len(PAUSES_SECONDS) + 1
REMEDY = f"set the annotation {names.ANNOTATION_RECONCILE_REQUESTED_AT}"
WITHOUT_RESULT = "succeeded without a result that can be read in its pod's termination message"
RUNNING = ConditionDetail(Reason.PROVISIONING, "the provision Job runs")


def has_succeeded(status: Mapping[str, Any], expected: str | None) -> bool:
    """Whether the status of an ApiService has the result of provisioning what has this hash: it is not run again."""
    known = {name: value for name, value in status.get("provision", {}).items() if name != "mark"}
    return known == {"hash": expected, "state": "Succeeded"}


@dataclass(frozen=True)
class Provisioning:
    """Where provisioning stands. `status` is None when there is nothing to provision.

    `pending` or `stalled` says why it is not done, and `cause` what is known of the Job itself.
    """

    status: dict[str, Any] | None
    bindings: list[dict[str, Any]] = field(default_factory=list)
    pending: ConditionDetail | None = None
    stalled: ConditionDetail | None = None
    cause: ConditionDetail | None = None

    @property
    def done(self) -> bool:
        """Whether workloads may be rolled out."""
        return self.status is None or self.status["state"] == "Succeeded"


@dataclass(frozen=True)
class ProvisionRequest:
    """What one step starts from. `expected` is the hash of what is to be provisioned, `previous` the last status.

    `again` runs a Job that failed once more; one that succeeded is never run again.
    """

    owner: Name
    uid: str
    job: DesiredChild
    expected: str
    bindings: tuple[Binding, ...]
    previous: Mapping[str, Any]
    live: Mapping[Ref, CachedChild]
    again: bool

    @property
    def known(self) -> Mapping[str, Any]:
        """What the status says of this very provisioning."""
        known: Mapping[str, Any] = self.previous.get("provision", {})
        return known if known.get("hash") == self.expected else {}

    @property
    def mark(self) -> str:
        """The mark of the store that was provisioned, be it for another hash; empty when there is none."""
        return str(self.previous.get("provision", {}).get("mark", ""))


@dataclass(frozen=True)
class _Run:
    """A step where the Job is there."""

    request: ProvisionRequest
    child: CachedChild

    @property
    def ref(self) -> Ref:
        return self.request.job.ref

    @property
    def reported(self) -> ConditionDetail | None:
        """What the status says of the Job."""
        return condition_detail(self.request.previous, "Provisioned") if self.request.known else None

    @property
    def status(self) -> dict[str, Any]:
        """What the status keeps, but for the state, as long as this Job is the one."""
        without_result = self.request.known.get("withoutResult")
        kept = {"hash": self.request.expected, "job": self.request.known.get("job", self.request.job.digest)}
        return kept | ({"withoutResult": without_result} if without_result else {})

    @property
    def is_changed(self) -> bool:
        """Whether the Job that is wanted is another one by now: its image, or the spec, changed."""
        return bool(self.status["job"] != self.request.job.digest)


class Provisioner:
    """Runs the Job of a plan."""

    def __init__(self, applier: Applier, inspector: Inspector) -> None:
        self._applier = applier
        self._inspector = inspector
        self._succeeded: dict[Name, tuple[tuple[str, str], Provisioning]] = {}

    def forget(self, owner: Name) -> None:
        """The resource is gone or asks for something else, or its status has the result."""
        self._succeeded.pop(owner, None)

    async def advance(self, request: ProvisionRequest, *, applied: Applied) -> Provisioning:
        """One step. When the Job is made, `applied` has the outcome."""
        if has_succeeded(request.previous, request.expected):
            self.forget(request.owner)
            return Provisioning(dict(request.known), list(request.previous.get("bindings", ())))
        found = await self._advance(_expecting(request), applied=applied)
        return _marked(found, request.mark)

    async def _advance(self, request: ProvisionRequest, *, applied: Applied) -> Provisioning:
        owner, uid, job = request.owner, request.uid, request.job
        remembered, succeeded = self._succeeded.get(owner, (None, None))
        if succeeded is not None and remembered == (uid, request.expected):
            return succeeded
        self.forget(owner)  # what was provisioned then may be gone when it is requested again
        child = request.live.get(job.ref)
        if child is None or child.owner_uid != uid:
            await self._applier.apply(owner, uid, [job], applied=applied)
            return _running(_started(request.expected, job.digest, request.known), request.bindings)
        if child.deleting:
            return _running(_started(request.expected, job.digest, request.known), request.bindings)
        run = _Run(request, child)
        return await (self._at_work(run) if child.facts.state == "Running" else self._ended(run))

    async def _at_work(self, run: _Run) -> Provisioning:
        cause = await self._inspector.job(run.ref, run.child, namespace=run.request.owner[0], reported=run.reported)
        if cause is not None and run.is_changed:
            return await self._anew(run)
        return _running(run.status, run.request.bindings, cause=cause)

    async def _ended(self, run: _Run) -> Provisioning:
        end: JobEnd = run.child.facts
        pods = await self._inspector.pods_of_job(run.child, namespace=run.request.owner[0])
        result = parse(causes.termination_message(pods), expected=run.request.expected)
        if end.state == "Succeeded" and result is not None and all(each["state"] == "Ready" for each in result):
            succeeded = Provisioning({"hash": run.request.expected, "state": "Succeeded"}, result)
            self._succeeded[run.request.owner] = (run.child.owner_uid, run.request.expected), succeeded
            return succeeded
        if run.request.again or run.is_changed:
            return await self._anew(run)
        if end.state == "Succeeded" and result is None:
            return await self._without_result(run)
        is_changed = any(each.get("reason") == Reason.STORE_CHANGED for each in result or ())
        failure = causes.failure(
            run.ref,
            end,
            pods,
            reported=run.reported,
            reason=Reason.STORE_CHANGED if is_changed else Reason.PROVISION_FAILED,
            remedy=f"correct it and {REMEDY}",
        )
        return _failed(run.status, result or listed(run.request.bindings, "Failed"), failure)

    async def _without_result(self, run: _Run) -> Provisioning:
        """A Job is deleted only after the status counts it, so it counts whatever happens to the operator."""
        counted = run.request.known.get("withoutResult", [])
        is_counted = run.child.uid in counted
        tries = counted if is_counted else [*counted, run.child.uid][-MOST_TRIES:]
        status = run.status | {"withoutResult": tries}
        if len(tries) == MOST_TRIES:
            return _failed(status, listed(run.request.bindings, "Failed"), _endless(run.ref))
        if is_counted and self._inspector.is_past(run.child.facts.ended_at, seconds=PAUSES_SECONDS[len(tries) - 1]):
            await self._applier.delete(run.request.owner, run.ref, run.child)
            return _running(status, run.request.bindings)
        pending = ConditionDetail(Reason.PROVISIONING, f"{run.ref} {WITHOUT_RESULT}; trying again")
        status["state"] = "Pending"
        return Provisioning(status, listed(run.request.bindings, "Pending"), pending=pending, cause=pending)

    async def _anew(self, run: _Run) -> Provisioning:
        """Make room; the deletion brings us back."""
        await self._applier.delete(run.request.owner, run.ref, run.child)
        return _running(_started(run.request.expected, run.request.job.digest), run.request.bindings)


def _expecting(request: ProvisionRequest) -> ProvisionRequest:
    """The same with a Job that refuses another store than the one that was provisioned before."""
    if not request.mark:
        return request
    manifest = copy.deepcopy(request.job.manifest)
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    container["args"] += ["--expected-mark", request.mark]
    return replace(request, job=DesiredChild.of(manifest))


def _marked(found: Provisioning, mark: str) -> Provisioning:
    """The same with the mark of the store in its status: the one that it was given, else that of before."""
    given = next((each["mark"] for each in found.bindings if each["role"] == "datastore" and each.get("mark")), mark)
    if found.status is None or not given:
        return found
    return replace(found, status=found.status | {"mark": given})


def _started(expected: str, digest: str, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the status keeps of a Job that is made. Who deletes one that failed wants all tries anew."""
    goes_on = known and known.get("state") != "Failed" and known.get("job") == digest
    counted = known.get("withoutResult") if known and goes_on else None
    return {"hash": expected, "job": digest} | ({"withoutResult": counted} if counted else {})


def _running(
    status: dict[str, Any], bindings: tuple[Binding, ...], *, cause: ConditionDetail | None = None
) -> Provisioning:
    return Provisioning(status | {"state": "Running"}, listed(bindings, "Pending"), pending=RUNNING, cause=cause)


def _failed(status: dict[str, Any], bindings: list[dict[str, Any]], stalled: ConditionDetail) -> Provisioning:
    return Provisioning(status | {"state": "Failed"}, bindings, stalled=stalled, cause=stalled)


def _endless(ref: Ref) -> ConditionDetail:
    cause = "the image is no workload image that fits this operator, or somebody deletes its pods at once"
    remedy = f"correct the image, in spec.runtime or in the class, or {REMEDY}"
    return ConditionDetail(Reason.PROVISION_FAILED, f"{ref} {WITHOUT_RESULT}, {MOST_TRIES} times: {cause}; {remedy}")
