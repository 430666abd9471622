"""What is on record about an event: whether it was processed or became a dead letter, its failures, the progress of its
steps.

An entry of the inbox is written in the transaction of the event's effect, so an event has its effect once. That of a
dead letter holds the reason and the redrive count, and is written before the message is moved: a crash in between moves
it again, and a redriven message (with a higher count) is processed anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import structs

from fairlead_workload.queues.base import Failure
from fairlead_workload.stores.base import FAILURES, INBOX, PROGRESS, Expect, RecordWrite, Store, StoredRecord
from fairlead_workload.worker.failures.retry_policy import Failures


class InboxEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an event ended. `dead` is the reason of a dead letter, `redrives` its redrive count.

    `moved`: the message has reached the dead letters, so another copy of it is a duplicate.
    """

    dead: Failure | None = None
    redrives: int = 0
    moved: bool = False


_encoder = msgspec.json.Encoder()
_PROCESSED = _encoder.encode(InboxEntry())
_entry_decoder = msgspec.json.Decoder(InboxEntry)
_failures_decoder = msgspec.json.Decoder(Failures)


@dataclass(frozen=True, slots=True)
class History:
    """The records of one event, as read."""

    inbox: StoredRecord | None = None
    progress: StoredRecord | None = None
    failures: Failures | None = None

    def final_entry(self, redrives: int) -> InboxEntry | None:
        """How the event ended; None when it is to be processed, as is a dead letter that was redriven since."""
        if self.inbox is None:
            return None
        entry = _entry_decoder.decode(self.inbox.value)
        return None if entry.dead is not None and entry.redrives < redrives else entry

    @property
    def started(self) -> bool:
        """Whether anything was done about the event before."""
        return not (self.inbox is None and self.progress is None and self.failures is None)

    @property
    def inbox_expect(self) -> Expect | int:
        return Expect.ABSENT if self.inbox is None else self.inbox.revision


async def read_histories(store: Store, ids: Sequence[str]) -> list[History]:
    """The histories of events, by the ids of their records."""
    spaces = (INBOX, PROGRESS, FAILURES)
    records = await store.records([(space, id_) for id_ in ids for space in spaces])
    return [History(*_opened(records[at : at + 3])) for at in range(0, len(records), 3)]


def _opened(
    records: list[StoredRecord | None],
) -> tuple[StoredRecord | None, StoredRecord | None, Failures | None]:
    inbox, progress, failures = records
    return inbox, progress, None if failures is None else _failures_decoder.decode(failures.value)


def processed_records(id_: str, history: History, *, expires_at: float) -> tuple[RecordWrite, ...]:
    """The event has had its effect. First in its unit: a conflict at position 0 means that it was done before."""
    entry = RecordWrite(INBOX, id_, _PROCESSED, expires_at, history.inbox_expect)
    return (entry,) if history.failures is None else (entry, RecordWrite(FAILURES, id_, None))


def dead_letter_records(
    id_: str, history: History, failure: Failure, *, redrives: int, expires_at: float
) -> tuple[RecordWrite, ...]:
    """The event becomes a dead letter."""
    value = _encoder.encode(InboxEntry(failure, redrives))
    return (RecordWrite(INBOX, id_, value, expires_at, history.inbox_expect), RecordWrite(FAILURES, id_, None))


def moved_record(entry: RecordWrite, revision: int) -> RecordWrite:
    """What replaces a dead letter's entry, just written as `revision`, when the message has been moved."""
    value = structs.replace(_entry_decoder.decode(entry.value or b""), moved=True)
    return RecordWrite(INBOX, entry.id, _encoder.encode(value), entry.expires_at, revision)


def stored_moved_record(stored: StoredRecord) -> RecordWrite:
    """The same for a stored entry, whose writer died before it moved the message."""
    entry = structs.replace(_entry_decoder.decode(stored.value), moved=True)
    return RecordWrite(INBOX, stored.id, _encoder.encode(entry), stored.expires_at, stored.revision)


def failures_record(id_: str, failures: Failures, *, expires_at: float) -> RecordWrite:
    """The failures of an event that is tried again."""
    return RecordWrite(FAILURES, id_, _encoder.encode(failures), expires_at)
