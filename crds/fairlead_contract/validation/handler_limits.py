"""Limits of the worker that do not go together. Each is served as it stands, but without the wanted effect."""

from collections.abc import Iterator

from fairlead_contract.findings import Finding, Place, warning
from fairlead_contract.spec.model import seconds
from fairlead_contract.spec.worker import Call, Compensation, Handler, Step, Worker


def limit_findings(worker: Worker) -> Iterator[Finding]:
    """Warnings of limits that another one keeps from having their effect."""
    calling = sum(any(step.call for step in handler.steps) for handler in worker.handlers)
    if worker.concurrency < calling:
        yield warning(
            ("spec", "worker", "concurrency"),
            f"is less than the {calling} handlers that make calls: slow calls of some keep the others waiting",
            f"set it to {calling} or more, so that each has a slot of its own",
        )
    for position, handler in enumerate(worker.handlers):
        place = ("spec", "worker", "handlers", position)
        if handler.concurrency is not None and handler.concurrency > worker.concurrency:
            yield warning(
                (*place, "concurrency"),
                f"worker.concurrency ({worker.concurrency}) is less, and holds for all handlers together",
                "set spec.worker.concurrency higher, or the handler's lower",
            )
        for where, call in _calls(handler, place):
            if seconds(call.timeout) >= seconds(worker.timeout):
                yield warning(
                    (*where, "timeout"),
                    f"worker.timeout ({worker.timeout}) ends the event before this call's {call.timeout} are over",
                    "set spec.worker.timeout higher, or the call's lower",
                )


def _calls(handler: Handler, place: Place) -> Iterator[tuple[Place, Call]]:
    for word, steps in (("steps", handler.steps), ("onFailure", handler.on_failure)):
        for position, step in enumerate(steps):
            where = (*place, word, position)
            yield from _call(step, where)
            if step.compensate is not None:
                yield from _call(step.compensate, (*where, "compensate"))


def _call(action: Step | Compensation, place: Place) -> Iterator[tuple[Place, Call]]:
    if action.call is not None:
        yield (*place, "call"), action.call
