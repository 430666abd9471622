"""Settling units: whether the conditions of each hold, and what it writes. Pure.

A unit's conditions are checked before anything of it is kept, in the order records, requires, mutations, so a conflict
leaves nothing to undo and the units of one transaction see each other. The adapter says what is stored (`documents`,
`records`), settles its units one after another, and writes what has come of them: of each place the last, once.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from fairlead_workload.errors import Conflict, ConflictKind
from fairlead_workload.model.versions import next_version
from fairlead_workload.stores.base import Committed, Expect, Key, Mutation, OutboxEvent, RecordWrite, Unit

Row = tuple[Any, ...]
Place = tuple[str, Key]  # of a document: resource and key
RecordPlace = tuple[str, str]  # of a record: space and id
Stored = tuple[int, bool]  # a document's version, and whether it is there (else a tombstone)
Held = tuple[int, float | None]  # a record's revision and expiry
ABSENT: Stored = (0, False)


class Settling:
    """The units of one transaction.

    `create_version` is the least version of a new document, and the least revision of a new record. It grows past the
    revision of a record that a unit removes, so that none comes back.
    """

    def __init__(self, *, now: float, create_version: int) -> None:
        self.now = now
        self.create_version = create_version
        self.documents: dict[Place, Stored] = {}
        self.records: dict[RecordPlace, Held | None] = {}
        self.rows: dict[str, dict[Key, Row]] = {}  # to write, of each resource; with version and time of deletion
        self.record_writes: dict[RecordPlace, Row | None] = {}  # space, id, value, revision, expiry; None to remove it
        self.outbox: list[Row] = []  # id, key, body, mutation, version

    def settle_all(self, units: Iterable[tuple[Unit, Sequence[Row]]]) -> list[Committed | Conflict]:
        """Settle units, each with the rows of its mutations, one after another."""
        outcomes: list[Committed | Conflict] = []
        for unit, rows in units:
            try:
                outcomes.append(self.settle(unit, rows))
            except Conflict as conflict:
                outcomes.append(conflict)
        return outcomes

    def settle(self, unit: Unit, rows: Sequence[Row]) -> Committed:
        """Settle one unit; `rows` are those of its mutations. Raises `Conflict`, and then nothing of it is written."""
        records = self._settle_records(unit.records)
        self._check_required(unit.requires)
        documents: dict[Place, Stored] = {}
        written: list[tuple[Mutation, Row]] = []
        versions: list[int] = []
        for position, (mutation, row) in enumerate(zip(unit.mutations, rows, strict=True)):
            place = (mutation.resource, mutation.key)
            stored = self.documents.get(place, ABSENT)
            _check_expected(mutation, stored, position)
            version = self._next_version(mutation, stored)
            versions.append(version)
            if version:
                documents[place] = (version, mutation.document is not None)
                written.append((mutation, (*row, version, self.now if mutation.document is None else None)))
        self._accept(documents, written, records, unit.outbox, versions)
        return Committed(tuple(versions), tuple(0 if row is None else row[3] for row in records.values()))

    def _accept(
        self,
        documents: dict[Place, Stored],
        rows: Iterable[tuple[Mutation, Row]],
        records: dict[RecordPlace, Row | None],
        outbox: Iterable[OutboxEvent],
        versions: list[int],
    ) -> None:
        self.documents.update(documents)
        for mutation, row in rows:
            self.rows.setdefault(mutation.resource, {})[mutation.key] = row
        for place, written in records.items():
            held = self.records.get(place)
            if written is None and held is not None:
                self.create_version = max(self.create_version, held[0] + 1)
            self.records[place] = None if written is None else (written[3], written[4])
        self.record_writes.update(records)
        for event in outbox:
            version = event.version if event.mutation is None else versions[event.mutation]
            self.outbox.append((event.id, event.key, event.body, event.mutation, version))

    def _settle_records(self, writes: tuple[RecordWrite, ...]) -> dict[RecordPlace, Row | None]:
        settled: dict[RecordPlace, Row | None] = {}
        for position, write in enumerate(writes):
            place = (write.space, write.id)
            held = self.records.get(place)
            live = held is not None and (held[1] is None or held[1] > self.now)
            if not _record_holds(write.expect, held[0] if held and live else None):
                raise Conflict(ConflictKind.RECORD, f"{write.space}/{write.id}", position=position)
            if live and held is not None:
                revision = held[0] + 1
            else:  # above that of an expired record, too, so that its former owner stays fenced off
                revision = max(self.create_version, held[0] + 1 if held else 0)
            settled[place] = (*place, write.value, revision, write.expires_at) if write.value is not None else None
        return settled

    def _check_required(self, requires: tuple[Place, ...]) -> None:
        for position, place in enumerate(requires):
            if not self.documents.get(place, ABSENT)[1]:
                raise Conflict(ConflictKind.REFERENCE, subject(*place), position=position)

    def _next_version(self, mutation: Mutation, stored: Stored) -> int:
        version, live = stored
        if mutation.version is not None:
            return mutation.version
        if mutation.document is None and not live:
            return 0
        return next_version(version if live else None, last=version, least=self.create_version)


def subject(resource: str, key: Key) -> str:
    """How a conflict names a document."""
    return "/".join([resource, *map(str, key)])


def _record_holds(expect: Expect | int, revision: int | None) -> bool:
    if expect is Expect.ANY:
        return True
    if expect is Expect.ABSENT:
        return revision is None
    if expect is Expect.PRESENT:
        return revision is not None
    return revision == expect


def _check_expected(mutation: Mutation, stored: Stored, position: int) -> None:
    version, live = stored
    expect = mutation.expect
    if expect is Expect.ABSENT:
        kind = ConflictKind.EXISTS if live else None
    elif expect is Expect.ANY:
        kind = None
    elif not live:
        kind = ConflictKind.MISSING
    else:
        kind = None if expect is Expect.PRESENT or expect == version else ConflictKind.VERSION
    if kind is None and mutation.version is not None and mutation.version <= version:
        kind = ConflictKind.VERSION
    if kind is not None:
        found = version if kind is ConflictKind.VERSION else None
        raise Conflict(kind, subject(mutation.resource, mutation.key), position=position, version=found)
