"""Handlers, compiled: expressions are programs, durations seconds, every step has an id that is unique in its handler.

Ids: a step's own name; `NAME.compensate` for what undoes it; `onFailure.NAME`. A dot is in no name, so they never meet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from fairlead_contract.cel import expressions
from fairlead_contract.cel.expressions import ExpressionError, Program
from fairlead_contract.spec import worker as contract
from fairlead_contract.spec.model import seconds
from fairlead_contract.spec.worker import ServiceTarget
from fairlead_workload.errors import Misconfigured
from fairlead_workload.model.resource import Resource


@dataclass(frozen=True, slots=True)
class CallPlan:
    """An HTTP request to a service."""

    service: ServiceTarget
    method: str
    timeout_seconds: float
    body: Program | None


@dataclass(frozen=True, slots=True)
class StepPlan:
    """Exactly one of `call`, `assign` and `publish` is there. `undo` is the id of the step that undoes it."""

    id: str
    when: Program | None = None
    call: CallPlan | None = None
    assign: tuple[tuple[str, Program], ...] = ()
    publish: str | None = None


@dataclass(frozen=True, slots=True)
class HandlerPlan:
    """What happens on one type of event. `compensations` by the id of the step they undo."""

    event: str
    concurrency: int | None
    resource: Resource
    steps: tuple[StepPlan, ...]
    compensations: Mapping[str, StepPlan]
    on_failure: tuple[StepPlan, ...]

    @property
    def calls(self) -> bool:
        """Whether a step of the ordinary course waits for a service."""
        return any(step.call for step in self.steps)

    def every_step(self) -> Iterator[StepPlan]:
        return chain(self.steps, self.compensations.values(), self.on_failure)


def build_plans(worker: contract.Worker, resources: Mapping[str, Resource]) -> dict[str, HandlerPlan]:
    """The plans by event type. Raises Misconfigured with the path of what cannot be compiled."""
    return {handler.event: _handler(handler, resources) for handler in worker.handlers}


def _handler(handler: contract.Handler, resources: Mapping[str, Resource]) -> HandlerPlan:
    path = f"worker.handlers[{handler.event}]"
    resource = resources.get(handler.event.rpartition(".")[0])
    if resource is None:
        raise Misconfigured(path, "the event does not start with the name of a resource")
    undoing = {
        step.name: _compensation(step.name, step.compensate, f"{path}.steps[{step.name}].compensate")
        for step in handler.steps
        if step.compensate is not None
    }
    return HandlerPlan(
        handler.event,
        handler.concurrency,
        resource,
        tuple(_step(step, step.name, f"{path}.steps[{step.name}]") for step in handler.steps),
        undoing,
        tuple(_step(step, f"onFailure.{step.name}", f"{path}.onFailure[{step.name}]") for step in handler.on_failure),
    )


def _step(step: contract.Step, id_: str, path: str) -> StepPlan:
    return StepPlan(
        id_,
        None if step.when is None else _program(step.when, f"{path}.when"),
        None if step.call is None else _call(step.call, path),
        _assignments(step.set, path),
        None if step.publish is None else step.publish.type,
    )


def _compensation(name: str, compensation: contract.Compensation, path: str) -> StepPlan:
    call = None if compensation.call is None else _call(compensation.call, path)
    return StepPlan(f"{name}.compensate", call=call, assign=_assignments(compensation.set, path))


def _call(call: contract.Call, path: str) -> CallPlan:
    body = None if call.body is None else _program(call.body, f"{path}.call.body")
    return CallPlan(call.service, str(call.method), seconds(call.timeout), body)


def _assignments(assignments: Mapping[str, str] | None, path: str) -> tuple[tuple[str, Program], ...]:
    return tuple((name, _program(text, f"{path}.set.{name}")) for name, text in (assignments or {}).items())


def _program(text: str, path: str) -> Program:
    try:
        return expressions.compile(text)
    except ExpressionError as error:
        raise Misconfigured(path, str(error), "write a CEL expression over document, event and results") from None
