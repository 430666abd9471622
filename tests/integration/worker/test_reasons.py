"""Why events are retried and become dead letters: step, service, answer and the attempts that were made."""

import logging
from collections import Counter

import pytest

from fairlead_workload.model import instants
from fairlead_workload.model.effects import Action

CHARGE = {"name": "charge", "call": {"service": {"name": "payments", "path": "/charge?secret=1"}}}
REFUND = {"compensate": {"call": {"service": {"name": "payments", "path": "/refund"}}}}


def handling(lab, *steps, **retry):
    lab.queue_spec["retry"] = retry
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": list(steps)}]}
    return lab.open()


def retries(caplog):
    return [record for record in caplog.records if record.message == "retry"]


def calls_by_event(payments):
    return Counter(key.partition("/")[0] for key in payments.keys)


def event_id(letter):
    return letter.message.id


@pytest.mark.parametrize("status", [503, 429])
async def test_letters_of_an_outage_name_answer_step_and_path_and_the_calls_that_were_made(lab, payments, status):
    handling(lab, CHARGE, maxAge="10m", backoff={"max": "1m"})
    payments.always(status=status)
    for number in range(12):
        await lab.create(f"o{number}")
    await lab.settle()
    letters, made = await lab.letters(), calls_by_event(payments)
    assert len(letters) == 12
    for letter in letters:
        assert letter.failure.error_class == "Expired"
        assert letter.failure.error_message.startswith(f"http-{status}: step charge: payments POST /charge: ")
        assert f"answered {status}" in letter.failure.error_message
        assert "secret" not in letter.failure.error_message
        assert letter.failure.attempts == made[event_id(letter)]


async def test_a_service_that_cannot_be_reached_is_named(lab, payments):
    handling(lab, CHARGE, maxAge="10m")
    await payments.stop()
    for number in range(12):
        await lab.create(f"o{number}")
    await lab.settle()
    letters = await lab.letters()
    assert len(letters) == 12
    for letter in letters:
        assert letter.failure.error_message.startswith("network: step charge: payments POST /charge: ")


async def test_failures_and_retries_count_the_calls_that_were_made(lab, payments):
    handling(lab, CHARGE, maxAge="10m")
    payments.always(status=503)
    for number in range(12):
        await lab.create(f"o{number}")
    await lab.settle()
    stats = lab.worker.stats
    assert stats.failed["orders.created", "dependency"] == len(payments.requests)
    assert stats.retried["orders.created"] <= len(payments.requests)
    assert stats.received["orders.created"] == (
        stats.retried["orders.created"]
        + stats.waited["orders.created"]
        + stats.dead_lettered["orders.created", "Expired"]
    )


async def test_every_retry_logs_step_service_status_attempt_and_next_try(lab, payments, caplog):
    caplog.set_level(logging.INFO)
    handling(lab, CHARGE)
    payments.script({"status": 503}, {"status": 409})
    await lab.create("a")
    await lab.settle()
    first, second = retries(caplog)
    for number, (record, status) in enumerate(((first, 503), (second, 409)), start=1):
        assert (record.step, record.called_service, record.status) == ("charge", "payments", status)
        assert (record.error_code, record.attempt) == (f"http-{status}", number)
        assert record.error == f"step charge: payments POST /charge: answered {status}"
        assert (record.event_type, record.key) == ("orders.created", "orders/a")
    assert first.next_try_at == instants.render(1_800_000_000 + first.delay_seconds)


async def test_a_call_that_waits_logs_what_it_waits_for_and_is_no_attempt(lab, payments, caplog):
    caplog.set_level(logging.INFO)
    handling(lab, CHARGE)
    payments.always(status=503)
    for number in range(12):
        await lab.create(f"o{number}")
    await lab.round()
    await lab.round()
    made = calls_by_event(payments)
    waiting = [record for record in retries(caplog) if not made[record.event_id]]
    assert waiting
    for record in waiting:
        assert (record.step, record.called_service, record.status, record.attempt) == ("charge", "payments", 503, 0)
        assert record.error == (
            "step charge: payments POST /charge: waits while the service keeps failing"
            " (payments POST /charge: answered 503)"
        )


STEPS = {
    "an expression": ({"set": {"status": "document.nothing"}}, "expression"),
    "a condition": ({"when": "document.quantity", "set": {"status": "'X'"}}, "expression"),
}


@pytest.mark.parametrize("case", STEPS)
async def test_a_step_without_a_call_is_named_too(lab, caplog, case):
    caplog.set_level(logging.INFO)
    bad, code = STEPS[case]
    handling(lab, {"name": "good", "set": {"status": "'OK'"}}, {"name": "bad", **bad}, maxAttempts=2)
    await lab.create("a")
    await lab.settle()
    (record,) = retries(caplog)
    assert (record.step, record.error_code, record.attempt) == ("bad", code, 1)
    (letter,) = await lab.letters()
    assert letter.failure.error_message.startswith(f"{code}: step bad: ")


async def test_an_event_that_takes_too_long_names_its_step(lab, payments, caplog):
    caplog.set_level(logging.INFO)
    handling(lab, {"name": "first", "set": {"status": "'OK'"}}, CHARGE)
    lab.worker_spec["timeout"] = "300ms"
    await lab.close()
    lab.open()
    payments.script({"hang": True})
    await lab.create("a")
    await lab.settle()
    record = retries(caplog)[0]
    assert (record.step, record.called_service, record.error_code) == ("charge", "payments", "timeout")


async def test_a_command_that_comes_early_says_why_it_waits(lab, caplog):
    caplog.set_level(logging.INFO)
    lab.open()
    await lab.send(lab.command(Action.PATCH, "a", {"quantity": 2}))
    await lab.round()
    (record,) = retries(caplog)
    assert (record.error_code, record.attempt) == ("not-found", 1)


async def test_undoing_that_fails_keeps_the_first_cause(lab, payments):
    handling(lab, CHARGE | REFUND, {"name": "spoil", "set": {"quantity": "0"}})
    payments.script({"status": 200, "body": {}}, {"status": 400})
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.error_code) == ("CompensationFailed", "http-400")
    undoing, _, first = letter.failure.error_message.partition("; undone because of ")
    assert undoing == "step charge.compensate: payments POST /refund: answered 400"
    assert first.startswith("schema: step spoil: ")


async def test_both_causes_fit_into_the_message(lab, payments):
    long = {"call": {"service": {"name": "payments", "path": "/" + 500 * "x"}}}
    handling(lab, CHARGE | {"compensate": long}, {"name": "ship", **long})
    payments.script({"status": 200}, {"status": 402}, {"status": 400})
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert letter.failure.error_code == "http-400"
    assert len(letter.failure.error_message) <= 1000
    assert "; undone because of http-402: step ship: " in letter.failure.error_message
