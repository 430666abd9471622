"""Handlers: steps once each, retries by their class, compensation in reverse, the dead letter and its redrive."""

import asyncio

import pytest

from fairlead_workload.model.effects import Action
from fairlead_workload.stores.base import FAILURES, INBOX, PROGRESS
from fairlead_workload.worker.handlers import execution, steps

SERVICE = {"name": "payments", "port": 8080}


def call(path, **options):
    return {"service": {**SERVICE, "path": path}, **options}


CHARGE = {"name": "charge", "call": call("/charge"), "compensate": {"call": call("/refund")}}
RECEIPT = {"name": "receipt", "set": {"receipt": "results.charge.body.receipt"}}
CONFIRM = {"name": "confirm", "set": {"status": "'CONFIRMED'"}}
ANNOUNCE = {"name": "announce", "publish": {"type": "orders.confirmed"}}
REJECT = {"name": "reject", "set": {"status": "'REJECTED'"}}
INVALID = {"name": "spoil", "set": {"quantity": "0"}}


def handling(lab, *steps, on_failure=(), event="orders.created", **more):
    handler = {"event": event, "steps": list(steps), "onFailure": list(on_failure)}
    lab.worker_spec = {"handlers": [handler, *more.pop("others", [])], **more}
    return lab.open()


async def test_steps_run_in_order_with_their_results(lab, payments):
    handling(lab, CHARGE, RECEIPT, CONFIRM)
    await lab.create("a")
    await lab.settle()
    document = await lab.document_of("a")
    assert (document["receipt"], document["status"]) == ("charge", "CONFIRMED")
    assert [request.path for request in payments.requests] == ["/charge"]
    assert await lab.letters() == []


async def test_a_call_carries_key_trace_request_id_and_the_events_data(lab, payments):
    handling(lab, CHARGE)
    await lab.create("a", quantity=3)
    await lab.settle()
    (request,) = payments.requests
    event_id, run, step = request.headers["idempotency-key"].split("/")
    assert (run, step) == ("1", "charge")
    assert request.headers["x-request-id"] == event_id
    assert request.headers["traceparent"] == "00-ab-cd-01"
    assert request.body["quantity"] == 3


async def test_the_body_of_a_call_is_an_expression(lab, payments):
    handling(
        lab, {"name": "charge", "call": call("/charge", body="{'amount': document.quantity, 'of': event.subject}")}
    )
    await lab.create("a", quantity=3)
    await lab.settle()
    assert payments.requests[0].body == {"amount": 3, "of": "orders/a"}


async def test_a_step_whose_condition_is_false_is_skipped(lab, payments):
    handling(lab, {**CHARGE, "when": "document.quantity > 5"}, CONFIRM)
    await lab.create("a", quantity=1)
    await lab.settle()
    assert payments.requests == []
    assert (await lab.document_of("a"))["status"] == "CONFIRMED"


async def test_published_events_carry_document_version_and_one_hop_more(lab):
    bill = {
        "event": "orders.confirmed",
        "steps": [{"name": "note", "set": {"receipt": "string(event.hops) + event.sequence"}}],
    }
    handling(lab, CONFIRM, ANNOUNCE, others=[bill])
    await lab.create("a")
    await lab.settle()
    document, version = await lab.document_of("a"), await lab.version_of("a")
    assert document["receipt"] == f"1{version - 1}"


async def test_a_handler_that_causes_its_own_event_ends_after_eight_hops(lab):
    handling(lab, {"name": "more", "set": {"quantity": "document.quantity + 1"}}, event="orders.updated")
    await lab.create("a")
    await lab.settle()
    await lab.send(lab.command(Action.PATCH, "a", {"quantity": 1}))
    await lab.settle()
    (letter,) = await lab.letters()
    assert letter.failure.error_code == "hops"
    assert (await lab.document_of("a"))["quantity"] == 1 + 9


@pytest.mark.parametrize("status", [500, 503, 408, 425, 429])
async def test_failures_of_a_dependency_never_consume_attempts(lab, payments, status):
    lab.queue_spec["retry"] = {"maxAttempts": 2}
    handling(lab, CHARGE, CONFIRM)
    payments.script(*[{"status": status}] * 6)
    await lab.create("a")
    await lab.settle()
    assert (await lab.document_of("a"))["status"] == "CONFIRMED"
    assert len(payments.requests) == 7
    assert len(set(payments.keys)) == 1
    assert await lab.letters() == []


async def test_an_outage_longer_than_the_greatest_age_ends_in_the_dead_letters(lab, payments):
    lab.queue_spec["retry"] = {"maxAge": "10m", "backoff": {"max": "1m"}}
    handling(lab, {"name": "charge", "call": call("/charge")})
    payments.script(*[{"status": 503}] * 100)
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.error_code) == ("Expired", "maxAge")
    assert letter.failure.error_message.startswith("http-503")
    assert letter.failure.first_failed_at < letter.failure.last_failed_at
    assert letter.failure.traceparent == "00-ab-cd-01"
    assert letter.failure.event_type == "orders.created"


async def test_a_conflict_of_a_service_consumes_attempts(lab, payments):
    lab.queue_spec["retry"] = {"maxAttempts": 3}
    handling(lab, CHARGE)
    payments.script(*[{"status": 409}] * 3)
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.error_code) == ("Exhausted", "maxAttempts")
    assert letter.failure.attempts == 3
    assert [request.path for request in payments.requests] == ["/charge"] * 3


@pytest.mark.parametrize("status", [301, 400, 402, 404, 422])
async def test_another_4xx_is_not_retried(lab, payments, status):
    handling(lab, CHARGE, on_failure=[REJECT])
    payments.script({"status": status})
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.error_code) == ("Rejected", f"http-{status}")
    assert (await lab.document_of("a"))["status"] == "REJECTED"
    assert len(payments.requests) == 1  # it says that nothing was done, so there is nothing to undo


async def test_retry_after_is_honoured(lab, payments):
    handling(lab, CHARGE)
    payments.script({"status": 429, "headers": {"retry-after": "90"}})
    await lab.create("a")
    await lab.round()
    await lab.round()
    lab.clock.now += 89
    assert await lab.round() == 0
    lab.clock.now += 2
    assert await lab.round() == 1
    assert len(payments.requests) == 2


async def test_what_cannot_be_evaluated_is_tried_again_a_few_times(lab):
    lab.queue_spec["retry"] = {"maxAttempts": 3}
    handling(lab, {"name": "bad", "set": {"status": "document.nothing"}})
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.attempts) == ("Exhausted", 3)
    assert letter.failure.error_message.startswith("expression")


async def test_compensation_undoes_in_reverse_then_on_failure_then_the_dead_letter(lab, payments):
    ship = {"name": "ship", "call": call("/ship"), "compensate": {"call": call("/unship")}}
    handling(lab, CHARGE, ship, INVALID, on_failure=[REJECT])
    event = await lab.create("a")
    await lab.settle()
    assert [request.path for request in payments.requests] == ["/charge", "/ship", "/unship", "/refund"]
    assert payments.keys[3].endswith("/1/charge.compensate")
    assert (await lab.document_of("a"))["status"] == "REJECTED"
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.error_code) == ("Rejected", "schema")
    assert (await lab.operation(event))["status"] == "Succeeded"  # the write itself was applied


async def test_a_call_of_unknown_outcome_is_compensated_too(lab, payments):
    lab.queue_spec["retry"] = {"maxAge": "3m"}
    handling(lab, {**CHARGE, "call": call("/charge", timeout="2s")})
    payments.script({"hang": True}, {"status": 400})
    await lab.create("a")
    await lab.settle()
    assert [request.path for request in payments.requests] == ["/charge", "/charge", "/refund"]


SLOW_ANSWERS = {
    "a status line without an end": {"trickle": b"H"},
    "a head without an end": {"head": b"HTTP/1.1 200 OK\r\n", "trickle": b"x: y\r\n"},
    "information without an answer": {"trickle": b"HTTP/1.1 103 Early Hints\r\n\r\n"},
    "a body without an end": {"head": b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n", "trickle": b"x"},
    "chunks without an end": {
        "head": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "trickle": b"1\r\nx\r\n",
    },
    "nothing": {"hang": True},
}


@pytest.mark.parametrize("case", SLOW_ANSWERS)
async def test_the_time_of_a_call_is_that_of_its_whole_answer(lab, payments, case):
    handling(lab, {**CHARGE, "call": call("/charge", timeout="300ms")})
    payments.script(SLOW_ANSWERS[case], {"status": 400})
    await lab.create("a")
    async with asyncio.timeout(10):
        await lab.settle()
    assert [request.path for request in payments.requests] == ["/charge", "/charge", "/refund"]
    assert lab.worker.stats.failed["orders.created", "dependency"] == 1


async def test_a_call_that_was_never_sent_needs_no_undoing(lab, payments):
    lab.queue_spec["retry"] = {"maxAge": "1m"}
    handling(lab, CHARGE, on_failure=[REJECT])
    await payments.stop()
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, payments.requests) == ("Expired", [])
    assert letter.failure.error_message.startswith("network")


async def test_a_call_that_a_dead_worker_may_have_made_is_compensated_too(lab, payments):
    handling(lab, CHARGE)
    payments.script({"hang": True}, {"status": 400})
    await lab.create("a")
    await lab.round()
    dying = asyncio.create_task(lab.round())
    await lab.until(lambda: payments.requests)
    await lab.kill()
    assert dying.cancelled()
    lab.worker = lab.new_worker()
    await lab.settle()
    assert [request.path for request in payments.requests] == ["/charge", "/charge", "/refund"]


ODD_ANSWERS = {
    "text that is not UTF-8": b"\xff\xfe caf\xe9",
    "a JSON string that is not UTF-8": b'"caf\xe9"',
    "a JSON key that is not UTF-8": b'{"caf\xe9": 1}',
    "a lone surrogate": b'"\\ud800"',
    "a number out of range": b'{"total": 1e400}',
    "an end in the middle": b'{"total": ',
}


@pytest.mark.parametrize("case", ODD_ANSWERS)
async def test_an_answer_that_is_no_json_is_text(lab, payments, case):
    ship = {"name": "ship", "call": call("/ship")}
    handling(lab, CHARGE, ship, {"name": "confirm", "set": {"receipt": "type(results.ship.body) == string ? 'T' : ''"}})
    payments.script({}, {"content": ODD_ANSWERS[case]})
    await lab.create("a")
    await lab.settle()
    assert (await lab.document_of("a"))["receipt"] == "T"
    assert await lab.letters() == []


class Defect:
    """Something of ours that raises what nobody foresaw, while `active` holds."""

    def __init__(self, monkeypatch, target, name, active=lambda *arguments: True):
        self.active = active
        self._sound = getattr(target, name)
        monkeypatch.setattr(target, name, self._call)

    def _call(self, *arguments, **named):
        if self.active(*arguments):
            raise ZeroDivisionError
        return self._sound(*arguments, **named)


async def test_a_defect_in_a_call_undoes_that_call_and_those_before(lab, payments, monkeypatch):
    lab.queue_spec["retry"] = {"maxAttempts": 2}
    ship = {"name": "ship", "call": call("/ship"), "compensate": {"call": call("/unship")}}
    handling(lab, CHARGE, ship, on_failure=[REJECT])
    Defect(monkeypatch, lab.callers[-1], "call", lambda plan, *_: plan.service.path == "/ship")
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.attempts) == ("Exhausted", 2)
    assert letter.failure.error_message.startswith("internal")
    assert [request.path for request in payments.requests] == ["/charge", "/unship", "/refund"]
    assert (await lab.document_of("a"))["status"] == "REJECTED"


async def test_a_call_whose_answer_could_not_be_recorded_is_undone(lab, payments, monkeypatch):
    lab.queue_spec["retry"] = {"maxAttempts": 1}
    handling(lab, CHARGE, CONFIRM, on_failure=[REJECT])
    Defect(
        monkeypatch,
        lab.store,
        "commit",
        lambda unit: (
            any(one.space == PROGRESS and b'"done":["charge"]' in (one.value or b"") for one in unit.records)
            and not any(b"failure" in (one.value or b"") for one in unit.records)
        ),
    )
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert letter.failure.error_message.startswith("internal")
    assert [request.path for request in payments.requests] == ["/charge", "/refund"]


@pytest.mark.parametrize("steps_of", ["with calls", "without a call"])
async def test_a_defect_in_a_step_without_a_call_undoes_what_was_done(lab, payments, monkeypatch, steps_of):
    lab.queue_spec["retry"] = {"maxAttempts": 2}
    handling(lab, *([CHARGE] if steps_of == "with calls" else []), CONFIRM, on_failure=[REJECT])
    Defect(monkeypatch, steps, "draft", lambda span, *_: span[0].id == "confirm")
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.attempts) == ("Exhausted", 2)
    assert [request.path for request in payments.requests[1:]] == ["/refund"] * (steps_of == "with calls")
    assert (await lab.document_of("a"))["status"] == "REJECTED"


async def test_records_that_cannot_be_read_end_in_a_dead_letter(lab, payments, monkeypatch):
    lab.queue_spec["retry"] = {"maxAttempts": 2}
    handling(lab, CHARGE)
    Defect(monkeypatch, execution, "HandlerRun")
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert letter.failure.error_message.startswith("internal")
    assert payments.requests == []


async def test_compensation_that_fails_for_good_says_so_and_a_redrive_resumes_it(lab, payments):
    ship = {"name": "ship", "call": call("/ship"), "compensate": {"call": call("/unship")}}
    handling(lab, CHARGE, ship, INVALID, on_failure=[REJECT])
    payments.script({}, {}, {}, {"status": 400})
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.error_code) == ("CompensationFailed", "http-400")
    assert (await lab.document_of("a"))["status"] == "PENDING"
    payments.requests.clear()
    assert await lab.real_queue.redrive([letter]) == [letter]
    await lab.settle()
    assert [request.path for request in payments.requests] == ["/refund"]
    assert (await lab.document_of("a"))["status"] == "REJECTED"
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.redrives) == ("Rejected", 1)


async def test_a_redrive_after_compensation_runs_everything_again_under_new_keys(lab, payments):
    handling(lab, CHARGE, {"name": "ship", "call": call("/ship")}, CONFIRM, on_failure=[REJECT])
    payments.script({}, {"status": 400})
    await lab.create("a")
    await lab.settle()
    first = payments.keys
    payments.requests = []
    (letter,) = await lab.letters()
    await lab.real_queue.redrive([letter])
    await lab.settle()
    assert [request.path for request in payments.requests] == ["/charge", "/ship"]
    assert not set(first) & set(payments.keys)
    assert payments.keys[0].split("/")[1] == "2"
    assert (await lab.document_of("a"))["status"] == "CONFIRMED"
    assert await lab.letters() == []


async def test_a_document_that_is_gone_cannot_be_set(lab, payments):
    handling(lab, CHARGE, CONFIRM, on_failure=[REJECT])
    await lab.create("a")
    await lab.round()
    await lab.send(lab.command(Action.DELETE, "a"))
    fact = await lab.real_queue.receive(10, wait_seconds=0)
    delete = [
        delivery
        for delivery in fact
        if delivery.message.key == "orders/a" and b"orders.delete" in delivery.message.body
    ]
    await lab.worker.handle(delete)
    for delivery in fact:
        if delivery not in delete:
            await lab.real_queue.retry(delivery, delay_seconds=0)
    await lab.settle()
    (letter,) = await lab.letters()
    assert letter.failure.error_code == "document-gone"
    assert [request.path for request in payments.requests] == ["/charge", "/refund"]


async def test_a_finished_event_leaves_no_progress_behind(lab, payments):
    handling(lab, CHARGE, CONFIRM)
    payments.script({"status": 503})
    await lab.create("a")
    await lab.settle()
    event_id = payments.keys[0].partition("/")[0]
    assert await lab.record(PROGRESS, event_id) is None
    assert await lab.record(FAILURES, event_id) is None
    assert await lab.record(INBOX, event_id) is not None


async def test_an_event_that_takes_too_long_is_tried_again(lab, payments):
    handling(lab, CHARGE, timeout="300ms")
    payments.script({"hang": True})
    await lab.create("a")
    await lab.settle()
    assert len(payments.requests) >= 2
    assert len(set(payments.keys)) == 1
    assert lab.worker.stats.failed["orders.created", "dependency"] >= 1
    assert await lab.letters() == []


async def test_two_workers_with_the_same_event_commit_its_steps_once(lab, payments):
    handling(lab, CHARGE, {"name": "more", "set": {"quantity": "document.quantity + 1"}}, CONFIRM)
    await lab.create("a")
    await lab.round()
    (delivery,) = await lab.real_queue.receive(10, wait_seconds=0)
    other = lab.new_worker()
    await asyncio.gather(lab.worker.handle([delivery]), other.handle([delivery]))
    lab.clock.now += 120
    await lab.settle()
    assert (await lab.document_of("a"))["quantity"] == 2
    assert len(set(payments.keys)) == 1
    await other.drain(0)


async def test_a_large_answer_is_not_kept(lab, payments):
    handling(lab, CHARGE, {"name": "confirm", "set": {"status": "results.charge.body == null ? 'NONE' : 'SOME'"}})
    payments.script({"body": "x" * 70_000})
    await lab.create("a")
    await lab.settle()
    assert (await lab.document_of("a"))["status"] == "NONE"


async def test_an_unreachable_service_is_waited_for(lab, payments):
    handling(lab, CHARGE, CONFIRM)
    await payments.stop()
    await lab.create("a")
    for _ in range(4):
        await lab.round()
        lab.clock.now += 400
    assert lab.worker.stats.failed["orders.created", "dependency"] >= 2
    assert await lab.letters() == []
