"""When an event is tried again, and when it becomes a dead letter. Pure.

The worker is the only owner of retries; brokers only wait. Three kinds of failure:

- DEPENDENCY: store, cache, queue or a called service could not do its part (network, time-out, 5xx, 408, 425, 429), or
  other writers kept changing the document. Only the event's age counts, so an outage leaves the dead letters empty.
- LIMITED_RETRY: it may go better next time, but not for ever: a called service's 409, an expression without a value (it
  reads the document as stored now, which other writers change), a handler that is not there, a defect, the death of the
  worker. `maxAttempts` and `maxAge` count.
- REJECTED: trying again cannot help: bytes that are no event, a schema, another 4xx, a document that is gone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec

from fairlead_contract.cel.expressions import ExpressionError
from fairlead_contract.spec.bindings import Backoff, Retry
from fairlead_contract.spec.model import seconds
from fairlead_workload.errors import Conflict, DependencyError, Problem, Refused
from fairlead_workload.events.cloudevents import UndecodableEvent

MAX_MESSAGE = 1_000
MAX_RETRY_AFTER_SECONDS = 3_600.0


class ErrorKind(StrEnum):
    DEPENDENCY = "dependency"
    LIMITED_RETRY = "counted"
    REJECTED = "rejected"


class ErrorClass(StrEnum):
    """`error_class` of a dead letter."""

    REJECTED = "Rejected"
    EXHAUSTED = "Exhausted"
    EXPIRED = "Expired"
    UNDECODABLE = "Undecodable"
    COMPENSATION_FAILED = "CompensationFailed"
    NO_HANDLER = "NoHandler"


class Rejected(Exception):
    """The event cannot be handled, now or later. `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoHandler(Exception):
    """No handler takes the event: none does any more, or this worker does not know it yet."""

    def __init__(self, event_type: str) -> None:
        super().__init__(f"no handler takes {event_type}; redrive it when one does")


class CallFailed(DependencyError):
    """A service did not answer a call with 2xx. `unknown`: it may have carried out the request.

    `request` is the method and path of the call, `status` that of the answer, if there was one.
    Not `attempted`: the service keeps failing, so no request was sent.
    """

    def __init__(
        self,
        service: str,
        code: str,
        message: str,
        *,
        kind: ErrorKind,
        unknown: bool,
        retry_after_seconds: float = 0.0,
        status: int = 0,
        request: str = "",
        attempted: bool = True,
    ) -> None:
        super().__init__(service, message)
        self.code = code
        self.kind = kind
        self.unknown = unknown
        self.retry_after_seconds = retry_after_seconds
        self.status = status
        self.request = request
        self.attempted = attempted

    def __str__(self) -> str:
        return f"{self.dependency} {self.request}: {self.message}" if self.request else super().__str__()


class WorkerDied(Exception):
    """The worker's process ended while it handled this event and nothing else; `deliveries` in a row did not end."""

    def __init__(self, deliveries: int) -> None:
        super().__init__(
            f"the worker ended {deliveries} times in a row while it handled the event, the last time alone"
        )
        self.deliveries = deliveries


@dataclass(frozen=True, slots=True)
class ClassifiedError:
    """A failure, classified. `retry_after_seconds` is what the dependency asked for (0: nothing).

    `step` is where a handler failed, `service` what it called, `status` the answer. Not `attempted`: nothing was tried.
    `deaths`: how many deliveries ended with the worker (0: this one failed otherwise).
    """

    kind: ErrorKind
    code: str
    message: str
    retry_after_seconds: float = 0.0
    step: str = ""
    service: str = ""
    status: int = 0
    attempted: bool = True
    deaths: int = 0

    def at(self, step: str, called: str) -> "ClassifiedError":
        """The same, of this step of a handler, while it `called` a service."""
        if not step:
            return self
        return replace(self, step=step, service=called or self.service, message=bounded(f"step {step}: {self.message}"))


def classify(error: BaseException) -> ClassifiedError:
    """The kind and the stable code of a failure; the message is bounded and names no secret."""
    if isinstance(error, CallFailed):
        return ClassifiedError(
            error.kind,
            error.code,
            bounded(error),
            error.retry_after_seconds,
            service=error.dependency,
            status=error.status,
            attempted=error.attempted,
        )
    if isinstance(error, Rejected):
        return ClassifiedError(ErrorKind.REJECTED, error.code, bounded(error))
    if isinstance(error, NoHandler):
        return ClassifiedError(ErrorKind.LIMITED_RETRY, "no-handler", bounded(error))
    if isinstance(error, UndecodableEvent):
        return ClassifiedError(ErrorKind.REJECTED, "decode", bounded(error))
    if isinstance(error, Problem):
        return ClassifiedError(
            ErrorKind.REJECTED, "schema" if error.type == "invalid-document" else error.type, problem_text(error)
        )
    if isinstance(error, ExpressionError):
        return ClassifiedError(ErrorKind.LIMITED_RETRY, "expression", bounded(error))
    if isinstance(error, Refused):
        return ClassifiedError(ErrorKind.REJECTED, "refused", bounded(error))
    if isinstance(error, DependencyError):
        return ClassifiedError(ErrorKind.DEPENDENCY, "unavailable", bounded(error))
    if isinstance(error, Conflict):
        return ClassifiedError(ErrorKind.DEPENDENCY, "contention", bounded(error))
    if isinstance(error, TimeoutError):
        return ClassifiedError(ErrorKind.DEPENDENCY, "timeout", "the event took longer than worker.timeout")
    if isinstance(error, WorkerDied):
        return ClassifiedError(ErrorKind.LIMITED_RETRY, "worker-died", bounded(error), deaths=error.deliveries)
    return ClassifiedError(
        ErrorKind.LIMITED_RETRY, "internal", f"an unexpected {type(error).__name__}; the worker's log has the details"
    )


def bounded(error: object, limit: int = MAX_MESSAGE) -> str:
    """A message of at most `limit` characters."""
    text = str(error)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def problem_text(problem: Problem) -> str:
    """A problem in one line. The validator's details are left out: they may repeat the client's data."""
    places = ", ".join(str(error.get("pointer") or "/") for error in problem.errors[:10])
    return bounded(f"{problem.title}: {places}" if places else problem.detail or problem.title)


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of an event's failures (space FAILURES), since its last redrive."""

    counted: int = 0  # that consume maxAttempts
    total: int = 0
    waited: int = 0  # of these, where nothing was tried because a service keeps failing
    deliveries: int = 0  # the broker's count at the last failure: a gap means that a worker died
    first_failed_at: float = 0.0
    redrives: int = 0
    alone: bool = False  # to be tried alone, because workers died of it
    begun: bool = False  # it was begun alone, and nothing has been noted since
    unended: int = 0  # attempts in a row that called a service and ended in no note, where the broker does not count

    @property
    def attempts(self) -> int:
        return self.total - self.waited


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again."""

    error_class: ErrorClass
    code: str
    message: str


def bounded_retry_after_seconds(failure: ClassifiedError) -> float:
    """The delay that the dependency asked for, within bounds."""
    return min(failure.retry_after_seconds, MAX_RETRY_AFTER_SECONDS)


class RetryPolicy:
    """`queue.retry`, ready to decide. `random` gives numbers in [0, 1)."""

    def __init__(self, retry: Retry, *, random: Callable[[], float]) -> None:
        self.max_attempts = retry.max_attempts
        self.max_age_seconds = seconds(retry.max_age)
        self._backoff: Backoff = retry.backoff
        self._initial = seconds(retry.backoff.initial)
        self._max = seconds(retry.backoff.max)
        self._random = random

    @property
    def longest_seconds(self) -> float:
        """The longest delay, unless a dependency asks for more."""
        return self._max * (1 + self._backoff.jitter_percent / 100)

    def delay_seconds(self, failures: int) -> float:
        """Delay after failure number `failures`, from 1: initial * factor^(n-1), at most max, with jitter."""
        exponent = min(max(failures, 1) - 1, 64)
        delay = min(self._initial * self._backoff.factor**exponent, self._max)
        jitter = self._backoff.jitter_percent / 100
        return float(delay * (1 + jitter * (2 * self._random() - 1)))

    def tries_within(self, age_seconds: float) -> int:
        """How many tries, each after the delay of the former one, an event of this age can have had; 1 at least."""
        tries, delay = 1, self._initial
        passed = delay
        while passed <= age_seconds and delay < self._max:
            tries, delay = tries + 1, delay * self._backoff.factor
            passed += delay
        return tries

    def decide(self, cause: ClassifiedError, failures: Failures, *, age_seconds: float) -> float | GiveUp:
        """The delay in seconds before the next attempt, or GiveUp.

        `failures` includes this one; `age_seconds` is the event's, or since its last redrive.
        """
        if cause.kind is ErrorKind.REJECTED:
            return GiveUp(ErrorClass.REJECTED, cause.code, cause.message)
        message = bounded(f"{cause.code}: {cause.message}")
        if cause.kind is ErrorKind.LIMITED_RETRY and failures.counted >= self.max_attempts:
            return GiveUp(ErrorClass.EXHAUSTED, "maxAttempts", message)
        if age_seconds >= self.max_age_seconds:
            return GiveUp(ErrorClass.EXPIRED, "maxAge", message)
        return max(self.delay_seconds(failures.total), bounded_retry_after_seconds(cause))


def count(
    failures: Failures | None, cause: ClassifiedError, *, now: float, deliveries: int | None, redrives: int
) -> Failures:
    """`failures` with one more, or with every death of a worker; those from before a redrive are forgotten."""
    times = cause.deaths or 1
    if failures is None or failures.redrives < redrives:
        failures = Failures(first_failed_at=now, redrives=redrives)
    return Failures(
        counted=failures.counted + (times if cause.kind is not ErrorKind.DEPENDENCY else 0),
        total=failures.total + times,
        waited=failures.waited + (not cause.attempted),
        deliveries=deliveries or 0,
        first_failed_at=failures.first_failed_at,
        redrives=redrives,
        alone=cause.deaths > 0,
    )
