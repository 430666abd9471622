"""How kopf is set up: short watches, unlimited retries, and nothing written anywhere.

Each value is there for a reason; what kopf does without it is tested in `tests/unit/operator/front`.
"""

import itertools
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import kopf

# Whole seconds: the server takes no others. A silent watch is given up two seconds after it should have ended.
WATCH_SECONDS = 6
INACTIVITY_SECONDS = 8.0
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0
RECONNECT_SECONDS = 0.1
IDLE_SECONDS = 1.0
EXIT_SECONDS = 0.5


class Backoffs:
    """Pauses between tries, in seconds, without an end; each request starts from the first."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((1.0, 1.0, 2.0, 3.0), itertools.repeat(5.0))


class NoDiffs(kopf.DiffBaseStorage):
    """Keeps no state of an object, and so neither copies it nor writes an annotation."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[kopf.FieldSpec] | None = None) -> kopf.BodyEssence:
        del body, extra_fields
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        del body
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        del body, patch, essence


class NoProgress(kopf.ProgressStorage):
    """Keeps no progress of handlers: ours have none."""

    def fetch(self, *, key: kopf.HandlerId, body: kopf.Body) -> kopf.ProgressRecord | None:
        del key, body
        return None

    def store(self, *, key: kopf.HandlerId, record: kopf.ProgressRecord, body: kopf.Body, patch: kopf.Patch) -> None:
        del key, record, body, patch

    def purge(self, *, key: kopf.HandlerId, body: kopf.Body, patch: kopf.Patch) -> None:
        del key, body, patch

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        del body, patch, value

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def configure(settings: kopf.OperatorSettings, *, page_size: int | None) -> None:
    """Set everything that differs from kopf's own values. Without a `page_size`, lists come in one page."""
    values: dict[str, dict[str, Any]] = {
        "watching": {
            "server_timeout": WATCH_SECONDS,
            "inactivity_timeout": INACTIVITY_SECONDS,
            "connect_timeout": CONNECT_SECONDS,
            "reconnect_backoff": RECONNECT_SECONDS,
            "chunk_size": page_size,
        },
        "networking": {
            "connect_timeout": CONNECT_SECONDS,
            "request_timeout": REQUEST_SECONDS,
            "error_backoffs": Backoffs(),
        },
        # A limit of workers would hold a slot for each idle one.
        "queueing": {"worker_limit": None, "idle_timeout": IDLE_SECONDS, "exit_timeout": EXIT_SECONDS},
        # Both would need rights that the operator does not have.
        "posting": {"enabled": False},
        "scanning": {"disabled": True},
        "peering": {"standalone": True},
        # Its default is to kill the thread ten minutes after its end, and ours goes on.
        "process": {"ultimate_exiting_timeout": None},
        "persistence": {"diffbase_storage": NoDiffs(), "progress_storage": NoProgress()},
    }
    for group, given in values.items():
        for name, value in given.items():
            setattr(getattr(settings, group), name, value)


def reduce_logging() -> None:
    """kopf logs each call of each handler; formatting that takes longer than the handlers do."""
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
