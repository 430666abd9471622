"""Which resource comes next, by an injected clock."""

import asyncio
import itertools

import pytest

from fairlead_operator.cache.records import Name
from fairlead_operator.controller.workqueue import BACKOFF_MAX_SECONDS, Priority, Schedule, WorkQueue

A, B, C = ("shop", "a"), ("shop", "b"), ("shop", "c")


def schedule() -> Schedule:
    """Without jitter."""
    return Schedule(jitter=lambda: 1.0)


def drain(queue: Schedule, now: float) -> list[str]:
    """Take and finish all that is due."""
    found = []
    while (name := queue.pop(now)) is not None:
        found.append(name[1])
        queue.done(name, now=now)
    return found


def test_a_name_that_waits_is_not_added_twice() -> None:
    queue = schedule()
    for _ in range(3):
        queue.add(A, priority=Priority.CHILD, now=0.0)
    assert drain(queue, 0.0) == ["a"]


def test_edits_go_before_children_and_these_before_a_resync() -> None:
    queue = schedule()
    queue.add(A, priority=Priority.RESYNC, now=0.0)
    queue.add(B, priority=Priority.CHILD, now=0.0)
    queue.add(C, priority=Priority.EDIT, now=0.0)
    assert drain(queue, 0.0) == ["c", "b", "a"]


def test_an_edit_lifts_what_waits_for_a_resync() -> None:
    queue = schedule()
    queue.add(A, priority=Priority.RESYNC, now=0.0)
    queue.add(B, priority=Priority.RESYNC, now=0.0)
    queue.add(B, priority=Priority.EDIT, now=0.0)
    assert drain(queue, 0.0) == ["b", "a"]


def test_what_is_added_during_a_pass_comes_after_it_and_never_beside_it() -> None:
    queue = schedule()
    queue.add(A, priority=Priority.EDIT, now=0.0)
    assert queue.pop(0.0) == A
    queue.add(A, priority=Priority.EDIT, now=0.0)
    assert queue.pop(0.0) is None
    queue.done(A, now=0.0)
    assert queue.pop(0.0) == A


def test_two_passes_at_once_then_one_a_second() -> None:
    queue, passes = schedule(), []
    for tick in range(101):
        now = tick / 20
        queue.add(A, priority=Priority.EDIT, now=now)
        passes += [now for _ in drain(queue, now)]
    assert passes[:2] == [0.0, 0.05]
    assert len(passes) == 2 + 5
    gaps = [after - before for before, after in itertools.pairwise(passes[1:])]
    assert min(gaps) > 0.9


def test_the_end_of_a_job_passes_the_limit() -> None:
    queue = schedule()
    for _ in range(2):
        queue.add(A, priority=Priority.EDIT, now=0.0)
        drain(queue, 0.0)
    queue.add(A, priority=Priority.CHILD, now=0.0)
    assert drain(queue, 0.0) == []
    queue.add(A, priority=Priority.CHILD, now=0.0, urgent=True)
    assert drain(queue, 0.0) == ["a"]


def test_a_failure_comes_back_later_and_later_and_a_success_forgets_it() -> None:
    queue = schedule()
    now, pauses = 0.0, []
    for _ in range(15):
        queue.add(A, priority=Priority.CHILD, now=now)
        now = max(now, queue.next_due() or now)
        assert queue.pop(now) == A
        pauses.append(queue.done(A, now=now, failed=True))
        now += pauses[-1] + 1
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert pauses[-1] == BACKOFF_MAX_SECONDS
    assert queue.pop(now) == A
    queue.done(A, now=now)
    queue.add(A, priority=Priority.CHILD, now=now + 5)
    assert queue.pop(now + 5) == A
    assert queue.done(A, now=now + 5, failed=True) == 0.2


def test_a_failure_that_is_to_be_looked_at_again_never_waits_longer_than_that() -> None:
    queue = schedule()
    now, pauses = 0.0, []
    for _ in range(8):
        queue.add(A, priority=Priority.CHILD, now=now)
        now = max(now, queue.next_due() or now)
        assert queue.pop(now) == A
        pauses.append(queue.done(A, now=now, failed=True, requeue_seconds=8.0))
        now += pauses[-1] + 1
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8.0, 8.0]


def test_what_is_refused_for_good_comes_back_seldom_from_the_beginning() -> None:
    queue = schedule()
    now, pauses = 0.0, []
    for _ in range(8):
        queue.add(A, priority=Priority.CHILD, now=now)
        now = max(now, queue.next_due() or now)
        assert queue.pop(now) == A
        pauses.append(queue.done(A, now=now, failed=True, first_seconds=5.0))
        now += pauses[-1] + 1
    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


def test_an_edit_does_not_wait_for_the_back_off() -> None:
    queue = schedule()
    queue.add(A, priority=Priority.CHILD, now=0.0)
    for now in (0.0, 10.0, 20.0, 30.0):
        assert queue.pop(now) == A
        queue.done(A, now=now, failed=True)
    assert queue.pop(30.1) is None
    queue.add(A, priority=Priority.EDIT, now=30.1)
    assert queue.pop(30.1) == A


def test_a_delayed_add_is_due_then() -> None:
    queue = schedule()
    queue.add(A, priority=Priority.EDIT, now=0.0)
    assert queue.pop(0.0) == A
    queue.done(A, now=0.0, requeue_seconds=5.0)
    assert queue.next_due() == 5.0
    assert queue.pop(4.9) is None
    assert queue.pop(5.0) == A


def test_a_delayed_add_that_comes_due_during_a_pass_is_done_after_it() -> None:
    queue = schedule()
    queue.add(A, priority=Priority.EDIT, now=0.0)
    assert queue.pop(0.0) == A
    queue.add(A, priority=Priority.CHILD, now=1.0, delay=5.0)
    assert queue.pop(7.0) is None, "it is in work"
    queue.done(A, now=8.0, requeue_seconds=30.0)
    assert queue.pop(8.0) == A


def test_a_delayed_add_during_a_pass_takes_no_priority_from_an_edit() -> None:
    queue = schedule()
    queue.add(A, priority=Priority.EDIT, now=0.0)
    assert queue.pop(0.0) == A
    queue.add(A, priority=Priority.EDIT, now=1.0)
    queue.add(A, priority=Priority.CHILD, now=1.0, delay=5.0)
    queue.add(B, priority=Priority.CHILD, now=1.0)
    queue.done(A, now=2.0)
    assert drain(queue, 2.0) == ["a", "b"]


def test_it_is_behind_while_a_name_is_due_that_nobody_has() -> None:
    queue = schedule()
    assert not queue.is_behind(0.0)
    queue.add(A, priority=Priority.CHILD, now=0.0)
    queue.add(B, priority=Priority.RESYNC, now=0.0, delay=5.0)
    assert queue.is_behind(0.0)
    assert queue.pop(0.0) == A
    assert not queue.is_behind(0.0), "one is in work, the other not due"
    queue.add(A, priority=Priority.EDIT, now=1.0)
    assert not queue.is_behind(1.0), "what is in work has to wait for itself"
    assert queue.is_behind(5.0)
    assert queue.pop(5.0) == B
    queue.done(A, now=5.0)
    assert queue.is_behind(5.0)
    assert drain(queue, 5.0) == ["a"]
    assert not queue.is_behind(5.0)


async def test_a_waiting_worker_wakes_for_what_is_added() -> None:
    added: list[None] = []
    queue = WorkQueue(schedule(), clock=asyncio.get_running_loop().time, added=lambda: added.append(None))
    waiting = [asyncio.create_task(queue.get()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.add(A, priority=Priority.EDIT)
    queue.add(B, priority=Priority.EDIT)
    assert {await each for each in waiting} == {A, B}
    assert len(added) == 2


@pytest.mark.parametrize("ticks", range(5))
async def test_a_worker_that_is_cancelled_while_it_is_woken_ends(ticks: int) -> None:
    queue = WorkQueue(schedule(), clock=asyncio.get_running_loop().time, added=lambda: None)
    queue.add(B, priority=Priority.EDIT, delay=90.0)
    worker = asyncio.create_task(queue.get())
    for _ in range(3):
        await asyncio.sleep(0)
    queue.add(A, priority=Priority.EDIT, delay=60.0)
    for _ in range(ticks):
        await asyncio.sleep(0)
    worker.cancel()
    await asyncio.wait([worker], timeout=10)
    assert worker.cancelled()


async def test_a_change_wakes_one_worker_and_that_one_the_next() -> None:
    looks: list[None] = []

    class Counted(Schedule):
        def pop(self, now: float) -> Name | None:
            looks.append(None)
            return super().pop(now)

    queue = WorkQueue(Counted(), clock=asyncio.get_running_loop().time, added=lambda: None)
    workers = [asyncio.create_task(queue.get()) for _ in range(16)]
    await asyncio.sleep(0)
    looks.clear()
    queue.add(A, priority=Priority.EDIT)
    for _ in range(10):
        await asyncio.sleep(0)
    assert [worker.done() for worker in workers].count(True) == 1
    assert len(looks) == 2
    for worker in workers:
        worker.cancel()


async def test_a_worker_that_ends_as_it_is_woken_wakes_another() -> None:
    queue = WorkQueue(schedule(), clock=asyncio.get_running_loop().time, added=lambda: None)
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await asyncio.sleep(0)
    queue.add(A, priority=Priority.EDIT)
    first.cancel()
    assert await asyncio.wait_for(second, 10) == A


async def test_one_worker_minds_the_time() -> None:
    queue = WorkQueue(schedule(), clock=asyncio.get_running_loop().time, added=lambda: None)
    workers = [asyncio.create_task(queue.get()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.add(A, priority=Priority.EDIT, delay=0.02)
    queue.add(B, priority=Priority.EDIT, delay=0.01)
    assert {await each for each in workers} == {A, B}
