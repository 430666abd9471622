"""Handling an event step by step: calls, progress after each, compensation in reverse, `onFailure`, the dead letter.

Finished steps are not repeated. Consecutive steps without a call share a commit, the last of them with the inbox entry.
The cache may lack what an earlier attempt has committed: a later one begins with that.
When the handler has failed for good, finished steps and one of unknown outcome are undone in reverse, then `onFailure`
runs, and the event becomes a dead letter with the reason of the failure. Undoing has retries of its own; when it fails
for good the dead letter says CompensationFailed, and a redrive resumes it.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from itertools import takewhile
from typing import Any

from msgspec import structs

from fairlead_contract.cel.expressions import ExpressionError
from fairlead_contract.spec.bindings import Queue as QueueSpec
from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import Conflict, ConflictKind, FairleadError, Unavailable
from fairlead_workload.model import retention
from fairlead_workload.model.versions import least_committed
from fairlead_workload.queues.base import Failure
from fairlead_workload.stores.base import FAILURES, Committed, Record, RecordWrite, Unit
from fairlead_workload.worker import inbox
from fairlead_workload.worker.batches.cache_update import refresh_cache, update_cache
from fairlead_workload.worker.calls.client import Caller
from fairlead_workload.worker.decisions import DONE, Outcome, Retry
from fairlead_workload.worker.dispatch import FactItem
from fairlead_workload.worker.failures.failure_policy import FailurePolicy
from fairlead_workload.worker.failures.retry_policy import (
    MAX_MESSAGE,
    CallFailed,
    ClassifiedError,
    ErrorClass,
    ErrorKind,
    GiveUp,
    Rejected,
    WorkerDied,
    bounded,
    classify,
)
from fairlead_workload.worker.handlers import steps
from fairlead_workload.worker.handlers.plans import CallPlan, StepPlan
from fairlead_workload.worker.handlers.progress import HandlerRun, Phase, Progress, Superseded
from fairlead_workload.worker.handlers.steps import StepFailed
from fairlead_workload.worker.stats import WorkerStats

MAX_DECISIONS = 10
SUPERSEDED = Retry(1.0, ClassifiedError(ErrorKind.DEPENDENCY, "superseded", "another worker has moved the event on"))
_FORESEEN = (FairleadError, ExpressionError, Rejected, TimeoutError, WorkerDied)

_log = logging.getLogger(__name__)


class Handlers:
    """Runs the steps of one service's events. Each call of `handle` is one attempt, within `timeout_seconds`."""

    def __init__(
        self,
        bindings: Bindings,
        queue: QueueSpec,
        caller: Caller,
        failure_policy: FailurePolicy,
        *,
        timeout_seconds: float,
        stats: WorkerStats,
    ) -> None:
        self._store = bindings.store
        self._caches = bindings.caches
        self._caller = caller
        self._failure_policy = failure_policy
        self._source = bindings.source
        self._handled_event_types = bindings.handled_event_types
        self._timeout_seconds = timeout_seconds
        self._stats = stats
        self._clock = bindings.clock
        self._inbox_seconds = retention.inbox_seconds(queue, bindings.delivered_seconds)
        self._progress_seconds = retention.dead_letter_seconds(queue)

    async def handle(self, item: FactItem, death: WorkerDied | None = None) -> Outcome:
        """One attempt. An attempt that finds the handler failed for good goes on with undoing it.

        With a `death` it is the attempt of the worker that died, which is only counted now.
        """
        run: HandlerRun | None = None
        while True:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    if run is None:
                        (item.history,) = await inbox.read_histories(self._store, [item.id])
                        ended = item.history.final_entry(item.delivery.redrives)
                        if ended is not None:
                            return await self._failure_policy.end_duplicate(item, ended)
                        confirmed = item.history.progress is None or await refresh_cache(
                            self._caches[item.resource.name], self._store, item
                        )
                        run = HandlerRun(item, cache_confirmed=confirmed)
                        if death is not None:
                            raise death
                    return await self._attempt(run)
            except Superseded:
                return SUPERSEDED
            except Exception as error:  # noqa: BLE001 - outermost for what has begun: a defect of ours undoes it too
                if run is None:
                    return await self._not_started(item, error)
                if not isinstance(error, _FORESEEN):
                    _log.exception("unexpected error", extra={"event_type": item.event.type, "event_id": item.id})
                outcome = await self._failed(run, error)
                if outcome is not None:
                    return outcome

    async def _not_started(self, item: FactItem, error: Exception) -> Outcome:
        """The records of the event could not be read: an outage is waited out, anything else is counted."""
        if isinstance(error, Unavailable | TimeoutError):
            return await self._failure_policy.retry_unread(item, error)
        raise error

    # The course

    async def _attempt(self, run: HandlerRun) -> Outcome:
        plan = run.item.plan
        if run.progress.phase is Phase.FORWARD:
            await self._run(run, plan.steps)
            self._stats.succeeded[self._stats.label(run.item.event.type)] += 1
            return DONE if run.cache_confirmed else self._failure_policy.retry_unconfirmed(run.item)
        if run.progress.phase is Phase.COMPENSATING:
            await self._run(run, _compensating_steps(run))
            await self._enter(run, Phase.ON_FAILURE)
        await self._run(run, plan.on_failure)
        return await self._dead_letter(run)

    async def _run(self, run: HandlerRun, plan: tuple[StepPlan, ...]) -> None:
        """Run what is left of `plan`. Forward, the last commit ends the event."""
        forward = run.progress.phase is Phase.FORWARD
        remaining = _remaining_steps(run, plan)
        if forward and not remaining:  # the handler has fewer steps than when the event began
            await self._commit(run, run.progress, last=True)
        while remaining:
            next_steps = _next_steps(remaining)
            run.step, run.called = next_steps[0].id, ""
            last = forward and len(next_steps) == len(remaining)
            if next_steps[0].call is not None:
                await self._call_step(run, next_steps[0], next_steps[0].call, last=last)
            else:
                await self._commit_span(run, next_steps, last=last)
            remaining = _remaining_steps(run, plan)
        run.step = run.called = ""

    async def _call_step(self, run: HandlerRun, step: StepPlan, call: CallPlan, *, last: bool) -> None:
        item, progress = run.item, run.progress
        record = await self._document(item) if step.when or call.body else None
        seen = steps.variables(item.event, None if record is None else record.document, progress.results)
        if not steps.applies(step, seen):
            await self._commit(run, _advanced(progress, skipped=(step.id,)), last=last)
            return
        body = item.event.data if call.body is None else call.body(seen)
        if progress.phase is Phase.FORWARD:  # unknown from here until its answer is on record
            run.progress = structs.replace(progress, unknown=step.id)
        if run.notes_calls:
            await self._note_call(run, progress)
        run.called = call.service.name
        try:
            result = await self._caller.call(call, body, headers=self._headers(run, step))
        except CallFailed as error:
            if not error.unknown:
                run.progress = progress
            raise
        run.called = ""
        results = {**progress.results, step.id: result}
        await self._commit(run, _advanced(progress, done=(step.id,), results=results), last=last)

    async def _note_call(self, run: HandlerRun, former: Progress) -> None:
        """Put on record that a call is about to be made. When that fails, it is not made."""
        item, now = run.item, self._clock()
        failures = run.begun_failures(now)
        note = inbox.failures_record(item.id, failures, expires_at=now + self._inbox_seconds)
        try:
            await self._commit(run, run.progress, others=(note,))
        except BaseException:
            run.progress = former
            raise
        item.history = replace(item.history, failures=failures)

    def _headers(self, run: HandlerRun, step: StepPlan) -> dict[str, str]:
        item = run.item
        headers = {
            "idempotency-key": f"{item.event.id}/{run.progress.run}/{step.id}",
            "x-request-id": item.delivery.message.headers.get("x-request-id", item.event.id),
        }
        if item.event.traceparent:
            headers["traceparent"] = item.event.traceparent
        return headers

    async def _commit_span(self, run: HandlerRun, next_steps: tuple[StepPlan, ...], *, last: bool) -> None:
        """Evaluate and commit steps without a call; once more when the document changed meanwhile."""
        item = run.item
        lenient = run.progress.phase is not Phase.FORWARD
        for decision in range(MAX_DECISIONS):
            record = await self._document(item)
            try:
                result = steps.draft(next_steps, item, record, run.progress.results, lenient=lenient)
            except StepFailed as failed:
                run.step = failed.step
                raise failed.cause from failed
            unit = Unit(
                steps.mutations(item, record, result),
                outbox=steps.outbox(
                    item,
                    record,
                    result,
                    handled_event_types=self._handled_event_types,
                    source=self._source,
                    run=run.progress.run,
                ),
            )
            progress = _advanced(run.progress, done=result.done, skipped=result.skipped)
            cache = self._caches[item.resource.name]
            try:
                committed = await self._commit(run, progress, last=last, unit=unit)
            except Conflict:
                if decision == MAX_DECISIONS - 1:
                    raise
                continue
            except (Unavailable, asyncio.CancelledError):  # cancelled by the time-out: it may have been committed
                for mutation in unit.mutations:
                    await cache.maybe_written(item.resource.path(item.key), least_committed(mutation))
                raise
            if result.changed:
                version = committed.versions[0]
                confirmed = await update_cache(cache, item.resource, item.key, result.document, version)
                run.cache_confirmed = run.cache_confirmed and confirmed
            return

    async def _commit(
        self,
        run: HandlerRun,
        progress: Progress,
        *,
        last: bool = False,
        unit: Unit | None = None,
        others: tuple[RecordWrite, ...] = (),
    ) -> Committed:
        """Commit `unit` with the event's progress, or with its end. Raises Superseded when another worker was first."""
        unit = unit or Unit()
        item, now = run.item, self._clock()
        if last:
            records = (
                inbox.processed_records(item.id, item.history, expires_at=now + self._inbox_seconds) + run.end_records()
            )
        else:
            records = run.progress_records(progress, expires_at=now + self._progress_seconds)
        try:
            committed = await self._store.commit(structs.replace(unit, records=(*records, *others)))
        except Conflict as conflict:
            if conflict.kind is ConflictKind.RECORD:
                raise Superseded(conflict.subject) from None
            raise
        run.advance(progress, 0 if last else committed.revisions[0])
        return committed

    async def _document(self, item: FactItem) -> Record | None:
        (record,) = await self._store.get(item.resource.name, [item.key], strong=True)
        return record

    # Failure

    async def _failed(self, run: HandlerRun, error: BaseException) -> Outcome | None:
        """What follows a failed attempt; None: the handler has failed for good, and this attempt goes on to undo it."""
        item = run.item
        forward = run.progress.phase is Phase.FORWARD
        if forward:
            run.progress = _assuming_call(run)
        failures, decision = self._failure_policy.assess(
            item, error, step=run.step, called=run.called, anew=not forward
        )
        try:
            if isinstance(decision, Retry):
                fenced = run.progress_records(run.progress, expires_at=self._clock() + self._progress_seconds)
                is_news = run.progress.unknown or run.notes_calls
                await self._failure_policy.store_failures(item, failures, *(fenced if is_news else ()))
                return decision
            if not forward:
                decision = _compensation_failed(decision, run.progress.failure)
                return await self._failure_policy.dead_letter(
                    item, self._failure_policy.failure(item, failures, decision)
                )
            failure = self._failure_policy.failure(item, failures, decision)
            await self._enter(run, Phase.COMPENSATING, structs.replace(run.progress, failure=failure))
        except Superseded:
            return SUPERSEDED
        except FairleadError as unwritten:  # the store cannot be written now; the next attempt comes to the same end
            return self._failure_policy.retry_uncounted(item, classify(unwritten))
        return None

    async def _enter(self, run: HandlerRun, phase: Phase, progress: Progress | None = None) -> None:
        """Begin a phase, with attempts of its own."""
        forget = RecordWrite(FAILURES, run.item.id, None)
        await self._commit(run, structs.replace(progress or run.progress, phase=phase), others=(forget,))
        run.item.history = replace(run.item.history, failures=None)

    async def _dead_letter(self, run: HandlerRun) -> Outcome:
        item, failure = run.item, run.progress.failure
        assert failure is not None  # noqa: S101 - entering UNDOING sets it
        over = Progress(run=run.progress.run, phase=Phase.DEAD_LETTERED)
        record = run.progress_records(over, expires_at=self._clock() + self._progress_seconds)[0]
        return await self._failure_policy.dead_letter(item, failure, record)


def _compensation_failed(decision: GiveUp, first: Failure | None) -> GiveUp:
    """Undoing has failed for good: why, and why there was something to undo."""
    message = decision.message
    if first is not None:
        message = f"{bounded(message, MAX_MESSAGE // 2)}; undone because of {first.error_code}: {first.error_message}"
    return GiveUp(ErrorClass.COMPENSATION_FAILED, decision.code, bounded(message))


def _assuming_call(run: HandlerRun) -> Progress:
    """The progress; after a death of the worker with the call that it may have made."""
    progress = run.progress
    if not run.worker_died or progress.unknown:
        return progress
    began = next((step for step in run.item.plan.steps if not progress.passed(step.id)), None)
    return structs.replace(progress, unknown=began.id) if began is not None and began.call is not None else progress


def _compensating_steps(run: HandlerRun) -> tuple[StepPlan, ...]:
    """What undoes the steps that are done or may be, the last one first."""
    done = {*run.progress.done, run.progress.unknown}
    plan = run.item.plan
    return tuple(
        plan.compensations[step.id] for step in reversed(plan.steps) if step.id in done & plan.compensations.keys()
    )


def _remaining_steps(run: HandlerRun, plan: tuple[StepPlan, ...]) -> list[StepPlan]:
    return [step for step in plan if not run.progress.passed(step.id)]


def _next_steps(remaining: list[StepPlan]) -> tuple[StepPlan, ...]:
    """What is done next: one call, or the steps up to the next call."""
    return (
        (remaining[0],)
        if remaining[0].call is not None
        else tuple(takewhile(lambda step: step.call is None, remaining))
    )


def _advanced(
    progress: Progress, *, done: Iterable[str] = (), skipped: Iterable[str] = (), results: dict[str, Any] | None = None
) -> Progress:
    """`progress` with more steps behind it; one that has its answer is not unknown any more."""
    done = (*progress.done, *done)
    return structs.replace(
        progress,
        done=done,
        skipped=(*progress.skipped, *skipped),
        results=progress.results if results is None else results,
        unknown="" if progress.unknown in done else progress.unknown,
    )
