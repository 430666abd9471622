"""Committing units: many in one statement where that can be (`commit_statement`), else in steps (`commit_steps`).

Units that write one table at most, and require nothing, take one round trip; the others take two. What the locks or
writes of others stop is done again; many units are then divided by the coalescer, so that the one that has to wait does
not hold up the others. Alone, it may wait for longer: to set that limit takes a statement of its own, so it is set only
after the common one was not enough. A commit whose connection is lost may be done or not, and is never repeated.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from fairlead_workload.errors import Conflict, Unavailable
from fairlead_workload.model.versions import from_time
from fairlead_workload.stores.base import Committed, Expect
from fairlead_workload.stores.postgresql.commit_statement import ABSENT, PRESENT, commit_statement
from fairlead_workload.stores.postgresql.commit_steps import commit_in_steps
from fairlead_workload.stores.postgresql.connections import (
    Connection,
    Pool,
    Rows,
    Statement,
    execute,
    local_settings,
)
from fairlead_workload.stores.postgresql.faults import DATASTORE, Contended
from fairlead_workload.stores.postgresql.statements import Catalogue, DocumentSql, RecordSql
from fairlead_workload.stores.postgresql.units import Lane, PreparedUnit, array, event_fields, record_fields
from fairlead_workload.stores.settling import Settling

ATTEMPTS = 5
BATCH_ATTEMPTS = 2
Outcomes = list[Committed | Conflict]
_Work = Callable[[bool, Connection], Awaitable[Outcomes]]
_encode = msgspec.json.Encoder().encode


class Committer:
    """Commits batches of units on the connections of `pool`, each batch of one lane."""

    def __init__(self, pool: Pool, records: RecordSql, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._records = records
        self._clock = clock
        self._statements: dict[DocumentSql | None, bytes] = {}

    async def commit(self, lane: Lane, units: list[PreparedUnit]) -> Outcomes:
        """What has become of each unit. Raises `Contended` for many that others hold up, to be done in parts."""
        work = self._in_steps(units) if isinstance(lane, Catalogue) else self._in_one_statement(lane, units)
        limits, alone = self._pool.server.limits, len(units) == 1
        attempts = ATTEMPTS if alone else BATCH_ATTEMPTS
        patient = False
        for attempt in range(1, attempts + 1):
            try:
                return await self._pool.run(partial(work, patient))
            except Contended as error:
                if not error.waited and attempt < attempts:
                    await asyncio.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - no secret
                elif alone and not patient and attempt < attempts and limits.lock > limits.batch_lock:
                    patient = True
                elif alone:
                    raise Unavailable(DATASTORE, f"others hold what is to be written: {error}") from None
                else:
                    raise
        raise AssertionError("the last attempt ends the loop")

    def _in_one_statement(self, documents: DocumentSql | None, units: list[PreparedUnit]) -> _Work:
        sql = self._statements.get(documents)
        if sql is None:
            sql = self._statements[documents] = commit_statement(self._records, documents)
        writes, mutations = (_record_writes(units), _events(units)), (_mutations(units),) if documents else ()

        async def work(patient: bool, connection: Connection) -> Outcomes:
            now = self._clock()
            statement = Statement(sql, (*writes, str(from_time(now)), repr(now), *mutations))
            rows = (await execute(connection, [*self._settings(patient), statement]))[-1]
            return _outcomes(units, rows, now)

        return work

    def _settings(self, patient: bool) -> list[Statement]:
        settings = local_settings(self._pool.server, patient=patient)
        return [] if settings is None else [settings]

    def _in_steps(self, units: list[PreparedUnit]) -> _Work:
        async def work(patient: bool, connection: Connection) -> Outcomes:
            settings = self._settings(patient)
            return await commit_in_steps(connection, units, self._records, settings=settings, now=self._clock())

        return work


def _mutations(units: Sequence[PreparedUnit]) -> str:
    parts = [
        b'{"n":%d,"p":%d,"put":%b,"expect":%b,"at":%b,%b'
        % (
            n,
            p,
            b"false" if mutation.document is None else b"true",
            _expectation(mutation.expect),
            b"null" if mutation.version is None else b"%d" % mutation.version,
            row,
        )
        for n, unit in enumerate(units)
        for p, (mutation, row) in enumerate(zip(unit.unit.mutations, unit.rows, strict=True))
    ]
    return array(parts)


def _expectation(expect: Expect | int) -> bytes:
    if expect is Expect.ANY:
        return b"null"
    if expect is Expect.ABSENT:
        return b"%d" % ABSENT
    return b"%d" % (PRESENT if expect is Expect.PRESENT else expect)


def _record_writes(units: Sequence[PreparedUnit]) -> str:
    writes = [
        {"n": n, "p": p, "expect": msgspec.Raw(_expectation(write.expect)), **record_fields(write)}
        for n, unit in enumerate(units)
        for p, write in enumerate(unit.unit.records)
    ]
    return _encode(writes).decode()


def _events(units: Sequence[PreparedUnit]) -> str:
    events = ((n, event) for n, unit in enumerate(units) for event in unit.unit.outbox)
    return _encode([{"n": n, "position": at, **event_fields(event)} for at, (n, event) in enumerate(events)]).decode()


def _outcomes(units: Sequence[PreparedUnit], rows: Rows, now: float) -> Outcomes:
    """The statement says what it found and which units it did not write; settling says what they have become."""
    (least,) = (row[3] for row in rows if row[0] == 3)
    settling = Settling(now=now, create_version=least)
    failing = set()
    for kind, n, p, found, there, expires in rows:
        if kind == 2:
            failing.add(n)
        elif found is not None and kind == 0:
            mutation = units[n].unit.mutations[p]
            settling.documents[mutation.resource, mutation.key] = (found, there)
        elif found is not None and kind == 1:
            write = units[n].unit.records[p]
            settling.records[write.space, write.id] = (found, expires)
    outcomes = settling.settle_all((unit.unit, [()] * len(unit.rows)) for unit in units)
    if failing != {n for n, outcome in enumerate(outcomes) if isinstance(outcome, Conflict)}:
        # A defect of ours. The statement is committed, so nothing may be done again.
        raise Unavailable(DATASTORE, "PostgreSQL and the settling of units disagree about conditions")
    return outcomes
