"""The provision Job: started, awaited, and its result taken from the termination message of its pod.

What was provisioned stays written in the status, so a Job that somebody deletes afterwards is not run again; until it
is written, the message is remembered.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fairlead_operator import causes, kinds
from fairlead_operator.apply import Applied, Applier
from fairlead_operator.cluster.client import Client
from fairlead_operator.cluster.store import Child, Name
from fairlead_operator.facts import JobEnd
from fairlead_operator.intent import Wanted
from fairlead_operator.inventory import Ref
from fairlead_operator.plan.children import Binding
from fairlead_operator.reasons import Reason, Trouble
from fairlead_operator.redaction import redact

FIELDS = ("role", "type", "name", "state", "reason", "message")
STATES = frozenset({"Pending", "Ready", "Failed"})
# What the status holds, one of each role. An image that says more must not make the status unwritable.
MOST_BINDINGS = 16


@dataclass(frozen=True)
class Provisioning:
    """Where provisioning stands. `status` is None when there is nothing to provision."""

    status: dict[str, Any] | None
    bindings: list[dict[str, Any]] = field(default_factory=list)
    pending: Trouble | None = None
    stalled: Trouble | None = None

    @property
    def done(self) -> bool:
        """Whether workloads may be rolled out."""
        return self.status is None or self.status["state"] == "Succeeded"


def parse(message: str, *, expected: str) -> list[dict[str, Any]] | None:
    """The bindings of a termination message; None unless it is one of ours about this hash."""
    try:
        said = json.loads(message)
        if said["version"] != 1 or said["hash"] != expected:
            return None
        bindings = {each["role"]: each for each in map(_binding, said["bindings"][:MOST_BINDINGS])}
        return list(bindings.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _binding(said: Mapping[str, Any]) -> dict[str, Any]:
    if said["state"] not in STATES or not said["role"] or not said["type"]:
        raise ValueError("a binding without role, type or state")
    limits = {"message": 4096, "name": 512, "reason": 253}
    return {key: redact(str(said[key]))[: limits.get(key, 63)] for key in FIELDS if said.get(key)}


def listed(bindings: Iterable[Binding], state: str) -> list[dict[str, Any]]:
    """The plan's bindings, all in one state."""
    return [
        {key: value for key, value in (("role", each.role), ("type", each.type), ("name", each.name)) if value}
        | {"state": state}
        for each in bindings
    ]


class Provisioner:
    """Runs the Job of a plan."""

    def __init__(self, client: Client, applier: Applier) -> None:
        self._client = client
        self._applier = applier
        self._succeeded: dict[Name, tuple[tuple[str, str], Provisioning]] = {}

    def forget(self, owner: Name) -> None:
        """The resource is gone or asks for something else, or its status has the result."""
        self._succeeded.pop(owner, None)

    async def advance(
        self,
        owner: Name,
        uid: str,
        job: Wanted,
        *,
        expected: str,
        bindings: tuple[Binding, ...],
        previous: Mapping[str, Any],
        live: Mapping[Ref, Child],
        applied: Applied,
        again: bool,
    ) -> Provisioning:
        """One step. `again` runs a Job that failed once more; one that succeeded is never run again."""
        known = previous.get("provision", {})
        if known == {"hash": expected, "state": "Succeeded"}:
            self.forget(owner)
            return Provisioning(dict(known), list(previous.get("bindings", ())))
        remembered, succeeded = self._succeeded.get(owner, (None, None))
        if succeeded is not None and remembered == (uid, expected):
            return succeeded
        self.forget(owner)  # what was provisioned then may be gone when it is asked for again
        ref = job.ref
        child = live.get(ref)
        if child is not None and child.owner_uid == uid and not child.deleting:
            end: JobEnd = child.facts
            if end.state != "Running":
                return await self._ended(owner, ref, child, expected, bindings, again=again)
        if child is None or child.owner_uid != uid:
            await self._applier.bring(owner, uid, [job], applied=applied)
        return self._running(expected, bindings)

    async def _ended(
        self, owner: Name, ref: Ref, child: Child, expected: str, bindings: tuple[Binding, ...], *, again: bool
    ) -> Provisioning:
        end: JobEnd = child.facts
        selector = f"batch.kubernetes.io/job-name={ref.name}"
        pods, _ = await self._client.list_all(kinds.POD, namespace=owner[0], selector=selector)
        said = causes.termination_message(pods)
        found = parse(said, expected=expected)
        if end.state == "Failed" and not again:
            return self._failed(expected, found or listed(bindings, "Failed"), ref, end)
        if end.state == "Succeeded" and found is not None:
            bad = [each for each in found if each["state"] != "Ready"]
            if not bad:
                succeeded = Provisioning({"hash": expected, "state": "Succeeded"}, found)
                self._succeeded[owner] = (child.owner_uid, expected), succeeded
                return succeeded
            if not again:
                return self._failed(expected, found, ref, end)
        # It told nothing, or is wanted again: make room, its deletion brings us back.
        await self._applier.delete(owner, ref, child)
        return self._running(expected, bindings)

    def _running(self, expected: str, bindings: tuple[Binding, ...]) -> Provisioning:
        pending = Trouble(Reason.PROVISIONING, "the provision Job runs")
        return Provisioning({"hash": expected, "state": "Running"}, listed(bindings, "Pending"), pending=pending)

    def _failed(self, expected: str, bindings: list[dict[str, Any]], ref: Ref, end: JobEnd) -> Provisioning:
        bad = next((each for each in bindings if each["state"] == "Failed" and each.get("message")), None)
        cause = f"{bad['role']} {bad.get('name', '')}: {bad['message']}" if bad else end.message or "no message"
        remedy = "mend it and set the annotation fairlead.dev/reconcile-requested-at"
        stalled = Trouble(Reason.PROVISION_FAILED, f"{ref} failed: {cause}; {remedy}")
        return Provisioning({"hash": expected, "state": "Failed"}, bindings, stalled=stalled)
