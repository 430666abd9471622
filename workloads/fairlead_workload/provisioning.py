"""What the provision and teardown Jobs do: nothing for embedded bindings; what nothing serves yet fails by name.

Each binding is reported by its role, as the operator lists them; dead letters share the fate of their queue.
"""

from collections.abc import Iterator

from fairlead_contract.provisioning import EMBEDDED, NOT_SERVED, RESULT_VERSION, ProvisionResult
from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.bindings import CacheType
from fairlead_contract.spec.status import BindingStatus
from fairlead_workload import adapters
from fairlead_workload.errors import Misconfigured


def provision(document: RuntimeDocument, *, asked_hash: str) -> ProvisionResult:
    """Bring the bindings to what `document` asks for. `asked_hash` comes back in the result."""
    return _result(document, asked_hash, "made with the service's data; there is nothing to provision")


def teardown(document: RuntimeDocument, *, asked_hash: str) -> ProvisionResult:
    """Delete what the bindings hold. `asked_hash` comes back in the result."""
    return _result(document, asked_hash, "gone with the service's data; there is nothing to delete")


def _result(document: RuntimeDocument, asked_hash: str, embedded: str) -> ProvisionResult:
    refused = {error.path.partition(".")[0]: error for error in adapters.not_served(document)}
    bindings = tuple(
        _state(role, type_, refused.get("queue" if role == "deadLetter" else role), embedded)
        for role, type_ in _bindings(document)
    )
    return ProvisionResult(version=RESULT_VERSION, hash=asked_hash, bindings=bindings)


def _bindings(document: RuntimeDocument) -> Iterator[tuple[str, str]]:
    yield "datastore", document.datastore.type
    if document.cache.type is not CacheType.NONE:
        yield "cache", document.cache.type
    if document.queue is not None:
        yield "queue", document.queue.type
        yield "deadLetter", document.queue.type


def _state(role: str, type_: str, refused: Misconfigured | None, embedded: str) -> BindingStatus:
    if refused is None:
        return BindingStatus(role=role, type=type_, state="Ready", reason=EMBEDDED, message=embedded)
    message = f"{refused.message}; {refused.remedy}"
    return BindingStatus(role=role, type=type_, state="Failed", reason=NOT_SERVED, message=message)
