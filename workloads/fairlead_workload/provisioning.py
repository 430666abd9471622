"""What the provision and teardown Jobs do, binding by binding. What nothing serves yet fails by name.

Each binding is reported by its role, as the operator lists them; dead letters share the fate of their queue. One that
fails keeps no other from being brought up to date: both are idempotent, and a Job is tried again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from fairlead_contract.provisioning import EMBEDDED, NOT_SERVED, RESULT_VERSION, ProvisionResult
from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.bindings import CacheType, DatastoreType
from fairlead_contract.spec.status import BindingStatus
from fairlead_contract.unserved import unserved
from fairlead_workload import adapters
from fairlead_workload.credentials import NO_SECRETS, Secrets
from fairlead_workload.errors import DependencyError, Misconfigured

INCOMPATIBLE = "IncompatibleChange"
_LIVES_IN_POD = "made with the service's data; there is nothing to provision"
_WENT_WITH_POD = "gone with the service's data; there is nothing to delete"


@dataclass(frozen=True, slots=True)
class Work:
    """What a Job is to do. `asked_hash` comes back in the result, and `expected_mark` is of the store of earlier.

    `connections`: the most that the replicas together open to the datastore; 0 is not known.
    """

    document: RuntimeDocument
    secrets: Secrets = NO_SECRETS
    asked_hash: str = ""
    connections: int = 0
    expected_mark: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a binding that is as it should be. `mark` distinguishes a store from a later one in its place."""

    reason: str
    message: str
    mark: str = ""


Step = Callable[[Work], Awaitable[Outcome]]


async def _provision_postgresql(work: Work) -> Outcome:
    from fairlead_workload.stores import postgresql  # its driver takes a while to import

    bound = postgresql.binding_of(work.document, work.secrets)
    server, resources = bound.servers.direct, work.document.api.resources
    mark = await postgresql.provision(server, bound.schema, resources, owner=bound.owner, expected=work.expected_mark)
    message, shortage = f'the schema "{bound.schema}" has the tables of every resource', ""
    with suppress(DependencyError):  # what is only to be said fails nothing
        shortage = await postgresql.shortage(server, work.connections) if work.connections else ""
    if shortage:
        return Outcome(postgresql.Reason.TOO_FEW_CONNECTIONS, f"{message}; {shortage}", mark)
    return Outcome(postgresql.Reason.PROVISIONED, message, mark)


async def _teardown_postgresql(work: Work) -> Outcome:
    from fairlead_workload.stores import postgresql

    bound = postgresql.binding_of(work.document, work.secrets)
    removal = await postgresql.teardown(bound.servers.direct, bound.schema, bound.owner)
    return Outcome(removal.reason, removal.message)


_PROVISION: Mapping[tuple[str, str], Step] = {("datastore", DatastoreType.POSTGRESQL): _provision_postgresql}
_TEARDOWN: Mapping[tuple[str, str], Step] = {("datastore", DatastoreType.POSTGRESQL): _teardown_postgresql}


def provision(work: Work) -> ProvisionResult:
    """Bring the bindings to what the document asks for."""
    return asyncio.run(_carried_out(work, _PROVISION, embedded=_LIVES_IN_POD))


def teardown(work: Work) -> ProvisionResult:
    """Delete what the bindings hold."""
    return asyncio.run(_carried_out(work, _TEARDOWN, embedded=_WENT_WITH_POD))


async def _carried_out(work: Work, steps: Mapping[tuple[str, str], Step], *, embedded: str) -> ProvisionResult:
    refused = _refused(work.document)
    bindings = []
    for binding in _bindings(work.document):
        known = refused.get("queue" if binding.role == "deadLetter" else binding.role)
        step = steps.get((binding.role, binding.type))
        if known is not None:
            bindings.append(_with(binding, "Failed", NOT_SERVED, known))
        elif step is not None:
            bindings.append(await _done(binding, work, step))
        else:
            bindings.append(_with(binding, "Ready", EMBEDDED, embedded))
    return ProvisionResult(version=RESULT_VERSION, hash=work.asked_hash, bindings=tuple(bindings))


async def _done(binding: BindingStatus, work: Work, step: Step) -> BindingStatus:
    try:
        outcome = await step(work)
    except Misconfigured as error:
        message = f"{error.path}: {error.message}; {error.remedy}"
        return _with(binding, "Failed", error.reason or INCOMPATIBLE, message)
    except DependencyError as error:
        return _with(binding, "Failed", error.reason or type(error).__name__, error.message)
    return _with(binding, "Ready", outcome.reason, outcome.message, outcome.mark)


def _with(binding: BindingStatus, state: str, reason: str, message: str, mark: str = "") -> BindingStatus:
    return binding.model_copy(update={"state": state, "reason": str(reason), "message": message, "mark": mark})


def _refused(document: RuntimeDocument) -> dict[str, str]:
    """Why a role is not served, if it is not."""
    errors = [error.finding for error in adapters.not_served(document)]
    fields = [finding for finding in unserved(document) if finding.path.endswith(".provision")]
    return {finding.path.partition(".")[0]: f"{finding.message}; {finding.remedy}" for finding in [*fields, *errors]}


def _bindings(document: RuntimeDocument) -> Iterator[BindingStatus]:
    server = document.datastore.server
    name = f"{server.host}/{server.database}" if server is not None else ""
    yield BindingStatus(role="datastore", type=document.datastore.type, name=name, state="Pending")
    if document.cache.type is not CacheType.NONE:
        yield BindingStatus(role="cache", type=document.cache.type, state="Pending")
    if document.queue is not None:
        for role in ("queue", "deadLetter"):
            yield BindingStatus(role=role, type=document.queue.type, state="Pending")
