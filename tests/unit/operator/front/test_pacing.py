"""Whoever lists or watches a collection takes turns: two at once, then one a second."""

import asyncio

from fairlead_operator.kube.pacing import Pacing


class Times:
    """A clock that stands still, and the pauses that were asked for."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


async def take(times: Times, pacing: Pacing, *turns: tuple[str, bool]) -> list[float]:
    times.pauses.clear()
    await asyncio.gather(*(pacing.turn(path, watch=watch) for path, watch in turns))
    return times.pauses


async def test_two_may_begin_at_once_and_the_others_a_second_apart() -> None:
    times = Times()
    pacing = Pacing(clock=lambda: times.now, sleep=times.sleep)
    assert await take(times, pacing, *[("/apisvcs", True)] * 5) == [1.0, 2.0, 3.0]
    times.now += 4.5
    assert await take(times, pacing, *[("/apisvcs", True)] * 2) == [0.5]
    times.now += 60.0
    assert await take(times, pacing, *[("/apisvcs", True)] * 3) == [1.0]


async def test_lists_and_watches_and_other_paths_do_not_wait_for_each_other() -> None:
    times = Times()
    pacing = Pacing(clock=lambda: times.now, sleep=times.sleep)
    turns = [(path, watch) for path in ("/apisvcs", "/apisvcclasses") for watch in (True, False)]
    assert await take(times, pacing, *turns, *turns) == []


async def test_who_yields_lets_the_other_begin_and_never_follows_at_once() -> None:
    times = Times()
    pacing = Pacing(clock=lambda: times.now, sleep=times.sleep)
    await pacing.turn("/apisvcs", watch=False, yielding=True)
    await pacing.turn("/apisvcs", watch=False)
    assert times.pauses == [1.0], "the first turn of the other waits for nobody"
    times.now += 60.0
    await pacing.turn("/apisvcs", watch=False)
    await pacing.turn("/apisvcs", watch=False, yielding=True)
    assert times.pauses == [1.0, 1.0]
    times.now += 60.0
    await pacing.turn("/apisvcs", watch=False, yielding=True)
    await pacing.turn("/apisvcs", watch=False)
    assert times.pauses == [1.0, 1.0]
