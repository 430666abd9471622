"""Idempotency-Key: one request, however often it is sent, is carried out once and answered alike.

A key belongs to principal, method and path; its record holds a fingerprint of the request and, once there is one, the
answer. A synchronous write commits the record with the document. An accepted one reserves it first, with the very
message it will publish: another process that takes over publishes it again, under the same ids. It may take over once
the holder's lease has expired (a store that one process has for itself ends those it finds at its start), or at the
deadline, if the holder lives on but does not finish. Only answers of requests that were carried out are kept. A refusal
changed nothing, so the request is decided again: alike where the request alone decides, anew where the state does. A
holder changes the record of its key only if nobody has taken it over meanwhile.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from uuid import uuid4

import msgspec

from fairlead_workload.api.messages.request import Request
from fairlead_workload.api.messages.responses import Response
from fairlead_workload.errors import Conflict, ConflictKind, DependencyError
from fairlead_workload.model import problems
from fairlead_workload.model.retention import (
    IDEMPOTENCY_LEASE_SECONDS,
    IDEMPOTENCY_SECONDS,
    IDEMPOTENCY_TAKEOVER_SECONDS,
)
from fairlead_workload.queues.base import Message
from fairlead_workload.stores.base import IDEMPOTENCY, LEASES, Expect, RecordWrite, Store, Unit

HEADER = b"idempotency-key"
REPLAYED = (b"idempotency-replayed", b"true")
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"')
_BARE = re.compile(r"[!#-~][!-~]*")
_ESCAPE = re.compile(r"\\(.)")
MAX_KEY_LENGTH = 255
_FINGERPRINTED = (b"content-type", b"if-match", b"if-none-match", b"prefer")


class _Record(msgspec.Struct, frozen=True, array_like=True):
    """What is stored. Unless `done`, it is a reservation of `holder` until `deadline` (unix seconds)."""

    fingerprint: bytes
    deadline: float
    status: int = 0
    headers: list[tuple[bytes, bytes]] = []
    body: bytes = b""
    done: bool = False
    message: tuple[str, str, bytes] | None = None  # id, key and body of what is published
    holder: str = ""  # id of its lease
    message_headers: dict[str, str] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Record).decode


@dataclass(slots=True)
class Claim:
    """A request's hold on its key. `answer` is set when it was answered before; `message` when it is taken over.

    `revision` is that of its record, as this request has reserved it.
    """

    id: str
    fingerprint: bytes
    answer: Response | None = None
    message: Message | None = None
    revision: int = 0


_CarryOut = Callable[[Claim], Awaitable[Response]]


class IdempotencyKeys:
    """The records of one process. Raises `Unavailable` when the store is down: no keyed request is taken then."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._holder = f"{IDEMPOTENCY}/{uuid4().hex}"
        self._lease_until = 0.0

    async def run_once(self, request: Request, body: bytes, apply: _CarryOut, resume: _CarryOut) -> Response:
        """The answer to a request that has the header: the stored one, else that of `apply`.

        `resume` finishes the attempt of a lost holder. Both raise Conflict RECORD when another request has the key.
        Raises Problem: 400, 409 in progress, 422 other request.
        """
        claim = await self._claim(request, body)
        try:
            return await self._run(claim, apply, resume)
        except Conflict as conflict:
            if conflict.kind is not ConflictKind.RECORD:
                raise
        claim = await self._claim(request, body)  # another request was faster: its answer counts
        if claim.answer is None:
            raise problems.idempotency_in_progress()
        return await self._run(claim, apply, resume)

    @staticmethod
    async def _run(claim: Claim, apply: _CarryOut, resume: _CarryOut) -> Response:
        if claim.message is not None:
            return await resume(claim)
        return claim.answer or await apply(claim)

    async def _claim(self, request: Request, body: bytes) -> Claim:
        key = parse_key(request.header(HEADER) or "")
        claim = Claim(_record_id(request, key), _fingerprint(request, body))
        (stored,) = await self._store.records([(IDEMPOTENCY, claim.id)])
        if stored is None:
            return claim
        record = _decode(stored.value)
        if record.fingerprint != claim.fingerprint:
            raise problems.idempotency_mismatch()
        answer = Response(record.status, [*record.headers, REPLAYED], record.body)
        if record.done:
            claim.answer = answer
            return claim
        if record.message is None or await self._holder_is_alive(record):
            raise problems.idempotency_in_progress()
        await self._take_over(claim, record, stored.revision)
        claim.message = Message(*record.message, record.message_headers)
        claim.answer = answer
        return claim

    async def _holder_is_alive(self, record: _Record) -> bool:
        if not 0 < record.deadline - self._clock() <= IDEMPOTENCY_TAKEOVER_SECONDS:  # or the clock was set back
            return False
        (lease,) = await self._store.records([(LEASES, record.holder)])
        return lease is not None

    async def _take_over(self, claim: Claim, record: _Record, revision: int) -> None:
        try:
            await self._store_reservation(claim, record, revision)
        except Conflict:
            raise problems.idempotency_in_progress() from None

    def answered(self, claim: Claim, response: Response, expect: Expect | int = Expect.ABSENT) -> RecordWrite:
        """The record of a final answer, to be committed with what it answers for."""
        record = _Record(claim.fingerprint, 0.0, response.status, response.headers, response.body, done=True)
        return self._write(claim, record, expect)

    async def reserve(self, claim: Claim, message: Message, response: Response) -> None:
        """Hold the key, with the message and the answer. Raises Conflict RECORD when another request has it."""
        await self._store_reservation(claim, self._reservation(claim, message, response), Expect.ABSENT)

    async def finish(self, claim: Claim, response: Response) -> None:
        """The message is published: the answer is final. Should the store be down, a repetition publishes it again.

        So does whoever has taken over meanwhile.
        """
        try:
            await self._store.commit(Unit(records=(self.answered(claim, response, claim.revision),)))
        except (Conflict, DependencyError):
            return

    async def release(self, claim: Claim, message: Message, response: Response, *, keep: bool) -> None:
        """Publishing failed. `keep`: it may have happened all the same, so a repetition publishes the same message."""
        try:
            if keep:
                released = self._write(claim, self._reservation(claim, message, response), claim.revision)
            else:
                released = RecordWrite(IDEMPOTENCY, claim.id, None, expect=claim.revision)
            await self._store.commit(Unit(records=(released,)))
        except (Conflict, DependencyError):
            return  # it was taken over, or runs out by itself

    async def _store_reservation(self, claim: Claim, record: _Record, expect: Expect | int) -> None:
        """Store the reservation as ours, and with it that we live, where that is not known for long enough."""
        now = self._clock()
        held = msgspec.structs.replace(record, deadline=now + IDEMPOTENCY_TAKEOVER_SECONDS, holder=self._holder)
        records: tuple[RecordWrite, ...] = (self._write(claim, held, expect),)
        until = now + IDEMPOTENCY_LEASE_SECONDS
        renews = self._lease_until - now < IDEMPOTENCY_LEASE_SECONDS / 2
        if renews:
            records += (RecordWrite(LEASES, self._holder, b"", until),)
        committed = await self._store.commit(Unit(records=records))
        claim.revision = committed.revisions[0]
        if renews:
            self._lease_until = until

    @staticmethod
    def _reservation(claim: Claim, message: Message, response: Response) -> _Record:
        """A reservation without a holder."""
        return _Record(
            claim.fingerprint,
            0.0,
            response.status,
            response.headers,
            response.body,
            message=(message.id, message.key, message.body),
            message_headers=message.headers,
        )

    def _write(self, claim: Claim, record: _Record, expect: Expect | int) -> RecordWrite:
        return RecordWrite(IDEMPOTENCY, claim.id, _encode(record), self._clock() + IDEMPOTENCY_SECONDS, expect)


def parse_key(field: str) -> str:
    """The key in the header field: a structured-field string, or bare. Raises Problem `bad-request`."""
    field = field.strip(" \t")
    if match := _QUOTED.fullmatch(field):
        key = _ESCAPE.sub(r"\1", match[1])
    elif _BARE.fullmatch(field):
        key = field
    else:
        key = ""
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise problems.bad_request(
            'Idempotency-Key takes 1 to 255 printable ASCII characters, such as "8e03978e-40d5".'
        )
    return key


def _record_id(request: Request, key: str) -> str:
    return _digest([request.principal, request.method, request.raw_path, key]).hex()


def _fingerprint(request: Request, body: bytes) -> bytes:
    return _digest([request.headers.get(name) for name in _FINGERPRINTED] + [body])


def _digest(parts: list[str | bytes | None] | list[str] | list[bytes | None]) -> bytes:
    return blake2b(_encode(parts), digest_size=24).digest()
