"""Time-outs: many waits of one length, one timer."""

import asyncio

import pytest

from fairlead_workload.api.shared_timeout import SharedTimeout


async def answer() -> str:
    await asyncio.sleep(0)
    return "answer"


async def forever() -> None:
    await asyncio.Event().wait()


async def test_what_comes_in_time_is_the_result() -> None:
    assert await SharedTimeout(60).wait_for(answer()) == "answer"


async def test_what_takes_too_long_is_a_timeout() -> None:
    timeout = SharedTimeout(0.001)
    for _ in range(2):  # the timer is set again
        with pytest.raises(TimeoutError):
            await timeout.wait_for(forever())


async def test_every_wait_has_its_own_limit() -> None:
    timeout = SharedTimeout(0.001)
    waits = [timeout.wait_for(forever()), timeout.wait_for(answer()), timeout.wait_for(forever())]
    first, second, third = await asyncio.gather(*waits, return_exceptions=True)
    assert isinstance(first, TimeoutError)
    assert second == "answer"
    assert isinstance(third, TimeoutError)


async def test_a_failure_passes() -> None:
    async def fail() -> None:
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        await SharedTimeout(60).wait_for(fail())


async def test_a_cancellation_from_outside_passes() -> None:
    task = asyncio.create_task(SharedTimeout(60).wait_for(forever()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
