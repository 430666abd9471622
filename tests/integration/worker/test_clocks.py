"""A clock that was an hour ahead and is set right again: nothing waits for that hour, and no age is negative."""

import pytest

from fairlead_workload.model.effects import Action
from fairlead_workload.stores.base import LEASES
from fairlead_workload.worker.relay import LEASE_ID, Relay
from fairlead_workload.worker.stats import RelayStats

HOUR = 3600.0
CHARGE = {
    "event": "orders.created",
    "steps": [{"name": "charge", "call": {"service": {"name": "payments", "path": "/charge"}}}],
}


@pytest.fixture(params=["while it runs", "while it is down"])
def set_right(lab, request):
    """Sets the clock an hour back."""

    async def set_back():
        if request.param == "while it is down":
            await lab.close()
        lab.clock.now -= HOUR
        if request.param == "while it is down":
            lab.open()

    return set_back


async def test_a_retry_waits_at_most_the_greatest_backoff(lab, payments, set_right):
    lab.queue_spec["retry"] = {"backoff": {"initial": "20s", "max": "30s", "jitterPercent": 0}}
    lab.worker_spec = {"handlers": [CHARGE]}
    lab.open()
    payments.script({"status": 503})
    await lab.create("a")
    await lab.round()
    lab.clock.now += HOUR
    await lab.round()
    assert len(payments.requests) == 1
    await set_right()
    assert await lab.round() == 0
    lab.clock.now += 30
    assert await lab.round() == 1
    assert len(payments.requests) == 2


async def test_a_delay_that_was_right_all_along_stays(lab, payments):
    lab.queue_spec["retry"] = {"backoff": {"initial": "20s", "max": "30s", "jitterPercent": 0}}
    lab.worker_spec = {"handlers": [CHARGE]}
    lab.open()
    payments.script({"status": 503})
    await lab.create("a")
    await lab.round()
    await lab.round()
    await lab.close()
    lab.open()
    lab.clock.now += 19
    assert await lab.round() == 0
    lab.clock.now += 1
    assert await lab.round() == 1


async def test_what_was_published_ahead_is_new_afterwards(lab, set_right):
    lab.open()
    lab.clock.now += HOUR
    await lab.round()
    operation = lab.command(Action.PATCH, "absent", {"quantity": 2})
    await lab.send(operation)
    await set_right()
    assert (await lab.real_queue.depth()).oldest_seconds >= 0
    await lab.round()
    lab.clock.now += 61  # an update that came before its document waits a minute for it
    await lab.round()
    assert (await lab.operation(operation.id))["status"] == "Failed"


async def test_the_greatest_age_counts_from_the_moment_at_which_the_clock_was_right(lab, payments, set_right):
    lab.queue_spec["retry"] = {"maxAge": "10m", "backoff": {"max": "1m"}}
    lab.worker_spec = {"handlers": [CHARGE]}
    lab.open()
    payments.always(status=503)
    lab.clock.now += HOUR
    await lab.create("a")
    await lab.round()
    await lab.round()
    await set_right()
    began = lab.clock.now
    while not await lab.letters():
        lab.clock.now += 60
        await lab.round()
        assert lab.clock.now < began + 700
    (letter,) = await lab.letters()
    assert letter.failure.error_class == "Expired"
    assert letter.failure.first_failed_at <= letter.failure.last_failed_at


async def test_a_leased_message_stays_leased(lab):
    lab.open()
    lab.clock.now += HOUR
    await lab.create("a")
    assert len(await lab.real_queue.receive(10, wait_seconds=0)) == 1
    lab.clock.now -= HOUR
    assert await lab.real_queue.receive(10, wait_seconds=0) == []
    lab.clock.now += 60
    assert len(await lab.real_queue.receive(10, wait_seconds=0)) == 1


async def test_the_relay_publishes_and_another_can_take_over(lab):
    lab.worker_spec = {"handlers": [CHARGE]}
    lab.open()

    async def invalidate(path, version):
        return True

    def relay(owner):
        stats = RelayStats()
        return Relay(lab.store, lab.queue, owner=owner, invalidate=invalidate, stats=stats, clock=lab.clock)

    async def commit_one(id_):
        await lab.create(id_)
        await lab.worker.handle(await lab.real_queue.receive(10, wait_seconds=0))

    first, second = relay("first"), relay("second")
    lab.clock.now += HOUR
    await commit_one("a")
    assert not await first.flush()
    lab.clock.now -= HOUR
    await commit_one("b")
    assert not await second.flush()  # for the first one may have ended
    lease = await lab.record(LEASES, LEASE_ID)
    assert lease.expires_at <= lab.clock.now + 15
    await commit_one("c")
    assert await first.flush()  # it has noticed that it holds the lease no more
