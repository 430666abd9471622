"""What CEL cannot see in the worker's handlers: event types, step names, and whether the steps' expressions compile."""

import re
from collections.abc import Iterator

from fairlead_contract.cel import expressions
from fairlead_contract.cel.expressions import ExpressionError, Program
from fairlead_contract.findings import Finding, Place, did_you_mean, error, warning
from fairlead_contract.spec.api import Resource
from fairlead_contract.spec.apiservice import ApiServiceSpec
from fairlead_contract.spec.worker import Compensation, Handler, Step
from fairlead_contract.validation.chains import chain_findings
from fairlead_contract.validation.handler_limits import limit_findings

FACTS = ("created", "updated", "deleted")
COMMANDS = ("create", "update", "patch", "delete")
_RESULT = re.compile(r"\bresults\.([A-Za-z_]\w*)|\bresults\[['\"]([^'\"]+)['\"]\]")
_QUOTES = "a text needs quotes of its own: \"'CONFIRMED'\""


def worker_findings(spec: ApiServiceSpec) -> list[Finding]:
    """Everything about `spec.worker` that its schema and its CEL rules do not say."""
    if spec.worker is None:
        return []
    resources = {resource.name: resource for resource in spec.api.resources}
    handled = _handled_types(spec)
    findings: list[Finding] = [*limit_findings(spec.worker)]
    for position, handler in enumerate(spec.worker.handlers):
        place = ("spec", "worker", "handlers", position)
        resource = resources.get(handler.event.partition(".")[0])
        if resource is None:
            continue  # a CEL rule has said so
        if handler.event not in handled:
            message = f"no event has the type `{handler.event}`{did_you_mean(handler.event, handled)}"
            findings.append(error((*place, "event"), message, "handle a fact, or a type that a publish step declares"))
        findings += _handler(handler, resource, place)
    findings += chain_findings(spec.worker)
    return findings


def _handled_types(spec: ApiServiceSpec) -> set[str]:
    facts = {f"{resource.name}.{fact}" for resource in spec.api.resources for fact in FACTS}
    handlers = spec.worker.handlers if spec.worker else ()
    return facts | {step.publish.type for h in handlers for step in (*h.steps, *h.on_failure) if step.publish}


def _handler(handler: Handler, resource: Resource, place: Place) -> Iterator[Finding]:
    names: list[str] = []
    for word, steps in (("steps", handler.steps), ("onFailure", handler.on_failure)):
        for position, step in enumerate(steps):
            where = (*place, word, position)
            if step.name in names and word == "onFailure":
                yield error((*where, "name"), f"duplicate name `{step.name}`", "each name once in a handler")
            yield from _step(step, handler, resource, where, names)
            names.append(step.name)


def _step(step: Step, handler: Handler, resource: Resource, place: Place, earlier: list[str]) -> Iterator[Finding]:
    if step.when is not None:
        yield from _condition(step.when, (*place, "when"), earlier)
    yield from _action(step, handler, resource, place, earlier)
    if step.compensate is not None:
        yield from _action(step.compensate, handler, resource, (*place, "compensate"), [*earlier, step.name])
    if step.publish is not None:
        yield from _published(step.publish.type, resource, (*place, "publish", "type"))


def _action(
    action: Step | Compensation, handler: Handler, resource: Resource, place: Place, earlier: list[str]
) -> Iterator[Finding]:
    if action.call is not None and action.call.body is not None:
        yield from _expression(action.call.body, (*place, "call", "body"), earlier)
    for name, text in (action.set or {}).items():
        where = (*place, "set", name)
        yield from _assigned(name, handler, resource, where)
        yield from _expression(text, where, earlier)


def _assigned(name: str, handler: Handler, resource: Resource, place: Place) -> Iterator[Finding]:
    properties = resource.schema_.properties
    if name not in properties:
        message = f"`{name}` is no property of `{resource.name}`{did_you_mean(name, properties)}"
        yield error(place, message, "declare it in the schema")
    elif name in {resource.key.partition, resource.key.sort}:
        yield error(place, f"`{name}` belongs to the key, which cannot change", "set another property")
    elif name in {resource.timestamps.created, resource.timestamps.updated}:
        yield error(place, f"`{name}` is a timestamp that the server sets", "set another property")
    elif handler.event == f"{resource.name}.deleted":
        yield error(place, "the document of a deleted event is gone", "use call or publish")


def _published(event: str, resource: Resource, place: Place) -> Iterator[Finding]:
    verb = event.partition(".")[2]
    if verb in (*FACTS, *COMMANDS):
        yield error(
            place,
            f"`{event}` is a type of the service's own events",
            f"choose another, such as {resource.name}.confirmed",
        )


def _condition(text: str, place: Place, earlier: list[str]) -> Iterator[Finding]:
    program = _compiled(text)
    if isinstance(program, Program) and program.result_type not in {"BOOL", "DYN"}:
        yield error(
            place, f"is {program.result_type.lower()}, not a condition", "compare it, such as document.quantity > 1"
        )
    yield from _expression(text, place, earlier)


def _expression(text: str, place: Place, earlier: list[str]) -> Iterator[Finding]:
    program = _compiled(text)
    if isinstance(program, ExpressionError):
        remedy = _QUOTES if "undeclared reference" in program.message else "correct the CEL expression"
        yield error(place, f"bad CEL: {program}", remedy)
        return
    for plain, quoted in _RESULT.findall(text):
        name = plain or quoted
        if name not in earlier:
            yield warning(
                place, f"no earlier step is named `{name}`{did_you_mean(name, earlier)}", "name an earlier step"
            )


def _compiled(text: str) -> Program | ExpressionError:
    try:
        return expressions.compile(text)
    except ExpressionError as failure:
        return failure
