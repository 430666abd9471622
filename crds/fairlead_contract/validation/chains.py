"""Handlers that cause their own events: a `set` causes RESOURCE.updated, a `publish` its type. Pure.

A step with a condition may end the chain, so only what runs always is followed.
"""

from collections import deque
from collections.abc import Iterator, Mapping

from fairlead_contract.findings import Finding, Place, warning
from fairlead_contract.spec.worker import Compensation, Handler, Step, Worker

_REMEDY = (
    "end it with a `when` on a step of the chain; a set that changes nothing ends it too,"
    " and an event that has come through more than 8 handlers is a dead letter"
)
_Causes = Mapping[str, list[tuple[str, Place]]]


def chain_findings(worker: Worker) -> Iterator[Finding]:
    """A warning for every chain of events that comes back to its first one, at the step that begins it."""
    causes = {
        handler.event: list(_caused(handler, ("spec", "worker", "handlers", position)))
        for position, handler in enumerate(worker.handlers)
    }
    known: set[frozenset[str]] = set()
    for event in causes:
        chain, place = _cycle(event, causes)
        if chain and frozenset(chain) not in known:
            known.add(frozenset(chain))
            yield warning(place, f"causes the event it handles: {' -> '.join((event, *chain))}", _REMEDY)


def _caused(handler: Handler, place: Place) -> Iterator[tuple[str, Place]]:
    """The types of events that the handler always causes when its steps run, and the steps that do."""
    for word, steps in (("steps", handler.steps), ("onFailure", handler.on_failure)):
        for position, step in enumerate(steps):
            where = (*place, word, position)
            if step.when is None:
                yield from _effects(step, handler, where)
            if step.compensate is not None:
                yield from _effects(step.compensate, handler, (*where, "compensate"))


def _effects(action: Step | Compensation, handler: Handler, place: Place) -> Iterator[tuple[str, Place]]:
    if action.set:
        yield f"{handler.event.partition('.')[0]}.updated", (*place, "set")
    if isinstance(action, Step) and action.publish is not None:
        yield action.publish.type, (*place, "publish")


def _cycle(event: str, causes: _Causes) -> tuple[tuple[str, ...], Place]:
    """The shortest chain from `event` to itself, and the step that begins it; nothing when there is none."""
    waiting: deque[tuple[tuple[str, ...], Place]] = deque(((caused,), place) for caused, place in causes[event])
    seen: set[str] = set()
    while waiting:
        chain, place = waiting.popleft()
        if chain[-1] == event:
            return chain, place
        if chain[-1] not in seen:
            seen.add(chain[-1])
            waiting.extend(((*chain, caused), place) for caused, _ in causes.get(chain[-1], ()))
    return (), ()
