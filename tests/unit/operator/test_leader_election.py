"""Who writes, by injected clocks and a Lease in memory."""

import asyncio
import contextlib
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from fairlead_operator.cache.liveness import ServerReachability, WatchLiveness
from fairlead_operator.controller.leader_election import Election, LeaseOptions
from fairlead_operator.errors import Conflict, NotLeading, Unreachable

TIME = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Leases:
    """One Lease, with the server's check of the resource version."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.reachable = True
        self.answers: Callable[[], None] = lambda: None  # called as a request is answered

    async def get(self, kind: object, *, namespace: str, name: str) -> dict[str, Any] | None:
        self.answers()
        if not self.reachable:
            raise Unreachable("GET")
        return self.lease and dict(self.lease)

    async def request(self, method: str, path: str, *, body: dict[str, Any], guarded: bool) -> dict[str, Any]:
        self.answers()
        if not self.reachable:
            raise Unreachable(method)
        known = self.lease["metadata"].get("resourceVersion") if self.lease else None
        if method == "PUT" and body["metadata"].get("resourceVersion") != known:
            raise Conflict(path, code=409, reason="Conflict", message="")
        self.version += 1
        self.lease = body | {"metadata": body["metadata"] | {"resourceVersion": str(self.version)}}
        return self.lease


class Replica:
    """One election with a clock of its own."""

    def __init__(self, leases: Leases, name: str, *, offset: float = 0.0) -> None:
        self.leases = leases
        self.now = offset
        self.offset = offset
        self.election = Election(
            LeaseOptions("ops", "fairlead", name),
            liveness=WatchLiveness(ServerReachability(clock=lambda: self.now)),
            clock=lambda: self.now,
            now=lambda: TIME + datetime.timedelta(seconds=self.now),
        )

    async def at(self, seconds: float) -> bool:
        """Try once at that time; whether it may write afterwards."""
        self.now = self.offset + seconds
        with contextlib.suppress(Conflict, Unreachable):
            await self.election.attempt(self.leases)  # type: ignore[arg-type]
        return self.writes(seconds)

    def writes(self, seconds: float) -> bool:
        self.now = self.offset + seconds
        try:
            self.election.may_write()
        except NotLeading:
            return False
        return True


@pytest.fixture
def leases() -> Leases:
    return Leases()


async def test_the_time_to_write_runs_from_the_request_and_not_from_its_answer(leases: Leases) -> None:
    replica = Replica(leases, "one")

    def take_long() -> None:
        replica.now += 3

    leases.answers = take_long
    assert await replica.at(0)
    assert replica.writes(9.9)
    assert not replica.writes(10)


async def test_the_first_leads_and_the_second_does_not(leases: Leases) -> None:
    first, second = Replica(leases, "one"), Replica(leases, "two", offset=1000.0)
    assert await first.at(0)
    assert not await second.at(0)
    assert await first.at(2)
    assert not await second.at(2)


async def test_a_holder_that_cannot_renew_stops_writing_before_another_starts(leases: Leases) -> None:
    first, second = Replica(leases, "one"), Replica(leases, "two", offset=1000.0)
    await first.at(0)
    await second.at(0)
    ends = [tick for tick in range(60) if not first.writes(tick)]
    starts = [tick for tick in range(60) if await second.at(tick)]
    assert ends[0] == 10
    assert starts[0] == 16


async def test_a_released_lease_is_taken_at_once(leases: Leases) -> None:
    first, second = Replica(leases, "one"), Replica(leases, "two")
    await first.at(0)
    await second.at(0)
    await first.election.release(leases)  # type: ignore[arg-type]
    assert not first.writes(0)
    assert await second.at(1)
    assert leases.lease is not None
    assert leases.lease["spec"]["leaseTransitions"] == 2


async def test_a_standby_does_not_release_what_another_holds(leases: Leases) -> None:
    first, second = Replica(leases, "one"), Replica(leases, "two")
    await first.at(0)
    await second.at(0)
    await second.election.release(leases)  # type: ignore[arg-type]
    assert leases.lease is not None
    assert leases.lease["spec"]["holderIdentity"] == "one"


async def test_without_the_server_writing_ends_with_the_last_renewal(leases: Leases) -> None:
    first = Replica(leases, "one")
    await first.at(0)
    leases.reachable = False
    assert await first.at(9)
    assert not await first.at(10)


async def test_who_may_not_write_any_more_does_not_count_as_leading(leases: Leases) -> None:
    first = Replica(leases, "one")
    await first.at(0)
    assert first.election.held.is_set()
    assert not first.writes(10)
    assert not first.election.held.is_set()
    assert await first.at(11)
    assert first.election.held.is_set()


async def test_a_standby_looks_twice_as_often_as_the_leader_renews(leases: Leases) -> None:
    class Enough(Exception):
        """It has slept once."""

    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        raise Enough

    for name in ("one", "two"):
        liveness = WatchLiveness(ServerReachability(clock=lambda: 0.0))
        election = Election(LeaseOptions("ops", "fairlead", name), liveness=liveness, clock=lambda: 0.0, sleep=sleep)
        with pytest.raises(Enough):
            await election.run(leases)  # type: ignore[arg-type]
    assert pauses == [2.0, 1.0]


@pytest.mark.parametrize("reachable", [True, False])
async def test_the_election_is_heard_only_when_it_was_answered(leases: Leases, reachable: bool) -> None:
    now, rounds = 0.0, 3

    async def sleep(seconds: float) -> None:
        nonlocal now, rounds
        now, rounds = now + seconds, rounds - 1
        leases.reachable = reachable
        if not rounds:
            raise asyncio.CancelledError

    liveness = WatchLiveness(ServerReachability(clock=lambda: now))
    election = Election(LeaseOptions("ops", "fairlead", "one"), liveness=liveness, clock=lambda: now, sleep=sleep)
    with pytest.raises(asyncio.CancelledError):
        await election.run(leases)  # type: ignore[arg-type]
    assert liveness.heard_at == (4.0 if reachable else 0.0)


async def test_a_restarted_replica_of_the_same_name_goes_on(leases: Leases) -> None:
    await Replica(leases, "one").at(0)
    assert await Replica(leases, "one").at(1)


async def test_who_sees_that_another_holds_the_lease_stops_at_once(leases: Leases) -> None:
    first, second = Replica(leases, "one"), Replica(leases, "two")
    await first.at(0)
    leases.lease = None
    assert await second.at(1)
    assert not await first.at(2)
    assert not first.election.held.is_set()


async def test_who_loses_the_race_for_a_deleted_lease_looks_again_at_once(leases: Leases) -> None:
    first, second = Replica(leases, "one"), Replica(leases, "two")
    await first.at(0)
    leases.lease = None
    made = leases.request

    async def overtaken(method: str, path: str, *, body: dict[str, Any], guarded: bool) -> dict[str, Any]:
        leases.request = made  # type: ignore[method-assign]
        await second.at(1)
        raise Conflict(path, code=409, reason="AlreadyExists", message="")

    leases.request = overtaken  # type: ignore[method-assign]
    assert not await first.at(1)
    assert second.writes(1)


async def test_a_lease_that_somebody_annotated_meanwhile_is_renewed_at_once(leases: Leases) -> None:
    first = Replica(leases, "one")
    await first.at(0)
    made = leases.request

    async def annotated(method: str, path: str, *, body: dict[str, Any], guarded: bool) -> dict[str, Any]:
        leases.request = made  # type: ignore[method-assign]
        raise Conflict(path, code=409, reason="Conflict", message="")

    leases.request = annotated  # type: ignore[method-assign]
    assert await first.at(9)
    assert first.writes(18)
