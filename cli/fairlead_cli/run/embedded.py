"""The runtime document of a laptop: the same API and worker on bindings inside the process. Pure.

Every datastore becomes SQLite, every cache the in-process one (where there is a cache at all), every queue SQLite with
the retries, order, dead letters and format that the resource asks for.
"""

from pathlib import Path

from fairlead_contract.findings import Finding, path
from fairlead_contract.runtime import RuntimeDocument, derive
from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.bindings import Cache, CacheType, Datastore, DatastoreType, Queue, QueueType
from fairlead_contract.spec.worker import Call, Handler

DATA_ROOT = Path(".fairlead")
_BROKERS: dict[str, None] = dict.fromkeys(("sqs", "sns", "kinesis", "kafka", "sqlite"))


def embed(resource: ApiService) -> RuntimeDocument:
    """The runtime document of `resource` with embedded bindings."""
    document = derive(resource)
    bindings = {
        "datastore": Datastore(type=DatastoreType.SQLITE),
        "cache": document.cache if document.cache.type is CacheType.NONE else Cache(type=CacheType.MEMORY),
        "queue": document.queue and _embedded_queue(document.queue),
    }
    return document.model_copy(update=bindings)


def _embedded_queue(queue: Queue) -> Queue:
    return queue.model_copy(update={"type": QueueType.SQLITE, **_BROKERS})


def replacements(resource: ApiService) -> list[str]:
    """What `embed` replaces, such as `PostgreSQL by SQLite`; empty when the resource binds the embedded ones."""
    spec = resource.spec
    bound = [
        ("datastore", spec.datastore.type.value, "SQLite"),
        ("cache", spec.cache.type.value, spec.cache.type.value if spec.cache.type is CacheType.NONE else "Memory"),
        ("queue", spec.queue.type.value if spec.queue else "SQLite", "SQLite"),
    ]
    return [f"{role} {declared} by {embedded}" for role, declared, embedded in bound if declared != embedded]


def unmapped(resource: ApiService, mapped: frozenset[str]) -> list[Finding]:
    """Every service that a handler calls and that has no URL here, each once."""
    findings: dict[str, Finding] = {}
    for place, call in _calls(resource):
        name = call.service.name
        if name not in mapped and name not in findings:
            remedy = f"add --service {name}=http://HOST:PORT"
            findings[name] = Finding(place, f"the service `{name}` is called, and has no address here", remedy=remedy)
    return list(findings.values())


def _calls(resource: ApiService) -> list[tuple[str, Call]]:
    handlers = resource.spec.worker.handlers if resource.spec.worker else ()
    return [call for position, handler in enumerate(handlers) for call in _handler_calls(position, handler)]


def _handler_calls(position: int, handler: Handler) -> list[tuple[str, Call]]:
    calls: list[tuple[str, Call]] = []
    for member, steps in (("steps", handler.steps), ("onFailure", handler.on_failure)):
        for number, step in enumerate(steps):
            place = ("spec", "worker", "handlers", position, member, number)
            if step.call:
                calls.append((path((*place, "call", "service", "name")), step.call))
            if step.compensate and step.compensate.call:
                calls.append((path((*place, "compensate", "call", "service", "name")), step.compensate.call))
    return calls


def data_dir(resource: ApiService, chosen: Path | None, *, alone: bool) -> Path:
    """The folder of a service: the chosen one when it is alone in its files, else NAMESPACE/NAME below it."""
    if chosen is not None and alone:
        return chosen
    return (chosen or DATA_ROOT) / resource.metadata.namespace / resource.metadata.name
