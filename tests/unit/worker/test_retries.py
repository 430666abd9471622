"""Which failures are tried again, how long after, and when enough is enough; outage mode."""

import pytest

from fairlead_contract.cel.expressions import ExpressionError
from fairlead_contract.spec.bindings import Backoff, Retry
from fairlead_workload.errors import Conflict, ConflictKind, Refused, Unavailable
from fairlead_workload.events.cloudevents import UndecodableEvent
from fairlead_workload.model import problems
from fairlead_workload.worker.failures.outage import MAX_PAUSE_SECONDS, THRESHOLD, Outage
from fairlead_workload.worker.failures.retry_policy import (
    CallFailed,
    ClassifiedError,
    ErrorClass,
    ErrorKind,
    Failures,
    GiveUp,
    Rejected,
    RetryPolicy,
    classify,
    count,
)


def middle():
    return 0.5


def policy(random=middle, **retry):
    return RetryPolicy(Retry(**retry), random=random)


CLASSES = {
    "a store that is down": (Unavailable("datastore", "gone"), ErrorKind.DEPENDENCY, "unavailable"),
    "a store that says no": (Refused("datastore", "constraint"), ErrorKind.REJECTED, "refused"),
    "writers that are faster": (Conflict(ConflictKind.VERSION, "orders/a"), ErrorKind.DEPENDENCY, "contention"),
    "an event that takes too long": (TimeoutError(), ErrorKind.DEPENDENCY, "timeout"),
    "bytes that are no event": (UndecodableEvent("x"), ErrorKind.REJECTED, "decode"),
    "a document outside its schema": (problems.invalid_document(()), ErrorKind.REJECTED, "schema"),
    "another problem": (problems.not_found(), ErrorKind.REJECTED, "not-found"),
    "an expression without a value": (ExpressionError("no such key"), ErrorKind.LIMITED_RETRY, "expression"),
    "a document that is gone": (Rejected("document-gone", "gone"), ErrorKind.REJECTED, "document-gone"),
    "a service that is busy": (
        CallFailed("payments", "http-503", "busy", kind=ErrorKind.DEPENDENCY, unknown=True),
        ErrorKind.DEPENDENCY,
        "http-503",
    ),
    "a defect": (KeyError("secret-in-a-key"), ErrorKind.LIMITED_RETRY, "internal"),
}


@pytest.mark.parametrize("case", CLASSES)
def test_failures_are_classified(case):
    error, kind, code = CLASSES[case]
    cause = classify(error)
    assert (cause.kind, cause.code) == (kind, code)
    assert "secret" not in cause.message


def test_messages_are_bounded_and_do_not_repeat_the_clients_data():
    assert len(classify(Rejected("x", "y" * 5000)).message) == 1000
    problem = problems.invalid_document(({"pointer": "/card", "detail": "'4111 1111' is too short"},))
    assert "/card" in classify(problem).message
    assert "4111" not in classify(problem).message


def test_delays_double_up_to_the_longest():
    rules = policy(backoff=Backoff(initial="1s", factor=2, max="10s", jitter_percent=20))
    assert [rules.delay_seconds(number) for number in (1, 2, 3, 4, 5, 500)] == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize(("drawn", "delay"), [(0.0, 8.0), (0.5, 10.0), (0.999999, 12.0)])
def test_the_jitter_is_a_share_of_the_delay(drawn, delay):
    rules = policy(lambda: drawn, backoff=Backoff(initial="10s", jitter_percent=20))
    assert rules.delay_seconds(1) == pytest.approx(delay, abs=0.001)


DECISIONS = {
    "rejected at once": (
        ErrorKind.REJECTED,
        Failures(counted=1, total=1),
        0,
        GiveUp(ErrorClass.REJECTED, "code", "why"),
    ),
    "attempts left": (ErrorKind.LIMITED_RETRY, Failures(counted=4, total=4), 0, 8),
    "no attempts left": (
        ErrorKind.LIMITED_RETRY,
        Failures(counted=5, total=5),
        0,
        GiveUp(ErrorClass.EXHAUSTED, "maxAttempts", "code: why"),
    ),
    "an outage uses no attempts": (ErrorKind.DEPENDENCY, Failures(counted=0, total=99), 86_399, 300),
    "an outage longer than the age": (
        ErrorKind.DEPENDENCY,
        Failures(counted=0, total=99),
        86_400,
        GiveUp(ErrorClass.EXPIRED, "maxAge", "code: why"),
    ),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_what_follows_a_failure(case):
    kind, failures, age_seconds, expected = DECISIONS[case]
    assert policy().decide(ClassifiedError(kind, "code", "why"), failures, age_seconds=age_seconds) == expected


@pytest.mark.parametrize(("asked", "delay"), [(0.1, 1), (90, 90), (1e9, 3600)])
def test_a_delay_that_was_asked_for_is_kept_within_an_hour(asked, delay):
    cause = ClassifiedError(ErrorKind.DEPENDENCY, "http-429", "", retry_after_seconds=asked)
    assert policy().decide(cause, Failures(total=1), age_seconds=0) == delay


def test_failures_are_counted_from_the_last_redrive():
    counted = ClassifiedError(ErrorKind.LIMITED_RETRY, "", "")
    waited = ClassifiedError(ErrorKind.DEPENDENCY, "", "")
    first = count(None, counted, now=10, deliveries=1, redrives=0)
    second = count(first, waited, now=20, deliveries=2, redrives=0)
    assert second == Failures(counted=1, total=2, deliveries=2, first_failed_at=10, redrives=0)
    again = count(second, waited, now=30, deliveries=1, redrives=1)
    assert again == Failures(counted=0, total=1, deliveries=1, first_failed_at=30, redrives=1)


def test_what_was_not_tried_delays_the_next_try_and_is_no_attempt():
    waits = ClassifiedError(ErrorKind.DEPENDENCY, "", "", attempted=False)
    tried = count(None, ClassifiedError(ErrorKind.DEPENDENCY, "", ""), now=10, deliveries=1, redrives=0)
    waited = count(tried, waits, now=20, deliveries=2, redrives=0)
    assert (waited.total, waited.attempts) == (2, 1)
    assert count(None, waits, now=10, deliveries=1, redrives=0).attempts == 0


def test_outage_mode_begins_after_failures_in_a_row_and_ends_with_a_success():
    outage = Outage()
    for _ in range(THRESHOLD - 1):
        outage.failed()
    assert not outage.active
    outage.succeeded()
    for _ in range(THRESHOLD):
        outage.failed()
    assert outage.active
    assert [outage.probe() for _ in range(4)] == [0.25, 0.5, 1, 2]
    assert max(outage.probe() for _ in range(20)) == MAX_PAUSE_SECONDS
    outage.succeeded()
    assert not outage.active
    assert outage.probe() == 0.25


def test_in_outage_mode_one_per_pause_is_admitted():
    outage = Outage()
    assert [outage.admit(100.0), outage.admit(100.0)] == [0, 0]
    for _ in range(THRESHOLD):
        outage.failed()
    assert [outage.admit(100.0), outage.admit(100.0), outage.admit(100.2)] == [0, 0.25, pytest.approx(0.05)]
    assert [outage.admit(100.25), outage.admit(100.25)] == [0, 0.5]
    outage.succeeded()
    assert [outage.admit(100.25), outage.admit(100.25)] == [0, 0]
