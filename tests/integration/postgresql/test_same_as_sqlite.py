"""Any units at all: on PostgreSQL they end as on SQLite, one by one and many at once, in one statement and in steps."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.conformance.store_capabilities import Clock, open_sqlite
from tests.conformance.store_cases import COUNTERS, ORDERS
from tests.postgresql import new_schema, open_schema
from tests.servers.postgresql import GROUP, PostgreSQL

from fairlead_workload.errors import Conflict
from fairlead_workload.stores.base import (
    Committed,
    Expect,
    Mutation,
    OutboxEvent,
    RecordWrite,
    Unit,
)
from fairlead_workload.stores.postgresql import PostgresqlStore
from fairlead_workload.stores.sqlite import SqliteStore

pytestmark = pytest.mark.xdist_group(GROUP)

CURRENT, OTHER = "current", "other"  # the version that the store has, and one that it has not
AHEAD, BEHIND = "ahead", "behind"  # versions to commit under
expectations = st.sampled_from([Expect.ANY, Expect.ANY, Expect.ABSENT, Expect.PRESENT, CURRENT, OTHER])
places = st.sampled_from([("orders", "a"), ("orders", "b"), ("orders", "c"), ("counters", 1), ("counters", 2)])


@dataclass(frozen=True)
class Draft:
    """A unit before the versions that a store has are filled in; `n` tells its documents from others."""

    mutations: tuple[tuple[tuple[str, Any], bool, Any, Any], ...]  # place, whether to put, expectation, version
    records: tuple[tuple[str, bool, Any, float | None], ...]
    requires: tuple[tuple[str, Any], ...]
    events: int
    n: int


def drafts(*, requires: bool) -> st.SearchStrategy[Draft]:
    mutation = st.tuples(places, st.booleans(), expectations, st.sampled_from([None, None, None, AHEAD, BEHIND]))
    record = st.tuples(st.sampled_from("rst"), st.booleans(), expectations, st.sampled_from([None, None, 5.0, -5.0]))
    return st.builds(
        Draft,
        st.lists(mutation, max_size=3, unique_by=lambda one: one[0]).map(tuple),
        st.lists(record, max_size=2, unique_by=lambda one: one[0]).map(tuple),
        st.lists(places, max_size=2 if requires else 0, unique=True).map(tuple),
        st.integers(0, 3),
        st.integers(0, 10**6),
    )


@dataclass
class Side:
    """One store, the versions that it has given, and the key prefix of this example."""

    store: SqliteStore | PostgresqlStore
    clock: Clock
    prefix: str
    versions: dict[Any, int] = field(default_factory=dict)

    def key(self, place: tuple[str, Any]) -> tuple[Any, ...]:
        resource, name = place
        return (f"{self.prefix}-{name}",) if resource == "orders" else (int(self.prefix) * 10 + name,)

    def _expected(self, place: Any, expect: Any) -> Any:
        known = self.versions.get(place, 7)
        return {CURRENT: known, OTHER: known + 3}.get(expect, expect)

    def unit(self, draft: Draft) -> Unit:
        mutations = []
        for place, puts, expect, version in draft.mutations:
            resource, key = place[0], self.key(place)
            property_ = "id" if resource == "orders" else "number"
            document = {property_: key[0], "quantity": draft.n} if puts else None
            known = self.versions.get(place, 0)
            at = {AHEAD: max(known, 50) + 5, BEHIND: known}.get(version)
            mutations.append(Mutation(resource, key, document, self._expected(place, expect), at))
        records = [
            RecordWrite(
                "space",
                f"{self.prefix}-{name}",
                b"%d" % draft.n if puts else None,
                None if lives is None else self.clock.now + lives,
                self._expected(name, expect),
            )
            for name, puts, expect, lives in draft.records
        ]
        events = [OutboxEvent(f"{self.prefix}-{draft.n}-{n}", self.prefix, b"e", None, 4) for n in range(draft.events)]
        events = [structs.replace(event, mutation=n) for n, event in enumerate(events) if n < len(mutations)]
        requires = tuple((place[0], self.key(place)) for place in draft.requires)
        return Unit(tuple(mutations), requires, tuple(records), tuple(events))

    def note(self, draft: Draft, outcome: Any) -> Any:
        """What can be compared of an outcome: numbers are each store's own."""
        if isinstance(outcome, Conflict):
            subject = outcome.subject.replace(self.prefix, "")
            if outcome.version is not None:
                assert outcome.version in {0, *self.versions.values()}
            return outcome.kind, subject, outcome.position, outcome.version is None
        assert isinstance(outcome, Committed), outcome
        for (place, puts, _, _), version in zip(draft.mutations, outcome.versions, strict=True):
            if version:
                assert version > self.versions.get(place, 0)
                self.versions[place] = version
            assert version or not puts
        for (name, puts, _, _), revision in zip(draft.records, outcome.revisions, strict=True):
            assert (revision > 0) == puts
            if puts:
                assert revision > self.versions.get(name, 0)
                self.versions[name] = revision
        return [bool(version) for version in outcome.versions]

    async def state(self) -> Any:
        found: list[Any] = []
        for resource, names in (("orders", "abc"), ("counters", (1, 2))):
            records = await self.store.get(resource, [self.key((resource, name)) for name in names], strong=True)
            for name, record in zip(names, records, strict=True):
                assert record is None or record.version == self.versions[resource, name]
                found.append(record and record.document)
        records_ = await self.store.records([("space", f"{self.prefix}-{name}") for name in "rst"])
        for name, record_ in zip("rst", records_, strict=True):
            assert record_ is None or record_.revision == self.versions[name]
            found.append(record_ and (record_.value, record_.expires_at))
        return found


@pytest.fixture
async def stores(postgresql: PostgreSQL) -> AsyncIterator[tuple[Clock, SqliteStore, list[PostgresqlStore]]]:
    clock = Clock()
    async with (
        open_sqlite([ORDERS, COUNTERS], clock, None) as sqlite,
        new_schema(postgresql, [ORDERS, COUNTERS]) as schema,
        open_schema(postgresql, [ORDERS, COUNTERS], schema=schema, clock=clock) as direct,
        open_schema(
            postgresql, [ORDERS, COUNTERS], schema=schema, clock=clock, server=postgresql.server(pooler=True)
        ) as pooled,
    ):
        yield clock, sqlite, [direct, pooled]


_numbers = itertools.count(1)
_settings = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@_settings
@given(
    st.lists(st.tuples(drafts(requires=True), st.sampled_from([0.0, 0.0, 1.0, 10.0, -20.0])), min_size=1, max_size=8)
)
async def test_one_by_one(
    stores: tuple[Clock, SqliteStore, list[PostgresqlStore]], steps: list[tuple[Draft, float]]
) -> None:
    clock, sqlite, several = stores
    prefix = str(next(_numbers))
    one, other = Side(sqlite, clock, prefix), Side(several[0], clock, prefix)
    for number, (draft, seconds) in enumerate(steps):
        other.store = several[number % 2]
        outcomes = []
        for side in (one, other):
            (outcome,) = await asyncio.gather(side.store.commit(side.unit(draft)), return_exceptions=True)
            outcomes.append(side.note(draft, outcome))
        assert outcomes[0] == outcomes[1]
        assert await one.state() == await other.state()
        clock.now += seconds


@_settings
@given(st.lists(st.lists(drafts(requires=False), min_size=1, max_size=8), min_size=1, max_size=3))
async def test_many_at_once(
    stores: tuple[Clock, SqliteStore, list[PostgresqlStore]], rounds: list[list[Draft]]
) -> None:
    clock, sqlite, several = stores
    prefix = str(next(_numbers))
    sides = Side(sqlite, clock, prefix), Side(several[0], clock, prefix)
    for number, each in enumerate(rounds):
        results = []
        sides[1].store = several[number % 2]
        for side in sides:
            units = [side.unit(draft) for draft in each]
            outcomes = await asyncio.gather(*map(side.store.commit, units), return_exceptions=True)
            results.append([side.note(draft, outcome) for draft, outcome in zip(each, outcomes, strict=True)])
        assert results[0] == results[1]
        assert await sides[0].state() == await sides[1].state()
        clock.now += 1
