"""How dead letters are shown: as rows of a table, as JSON, and one in full. Pure."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fairlead_workload.events.redaction import Hidden, redacted
from fairlead_workload.queues.base import DeadLetter

COLUMNS = ("ID", "EVENT", "KEY", "CLASS", "CODE", "ATTEMPTS", "REDRIVES", "LAST FAILED")


def row(letter: DeadLetter) -> tuple[str, ...]:
    """The cells of `letter` below COLUMNS."""
    failure = letter.failure
    counts = (str(failure.attempts), str(letter.redrives))
    last = timestamp_text(failure.last_failed_at)
    return (
        letter.id,
        failure.event_type or "?",
        letter.message.key,
        failure.error_class,
        failure.error_code,
        *counts,
        last,
    )


def as_json(letter: DeadLetter, hidden: Hidden) -> dict[str, Any]:
    """What is known of `letter`, but for what is `hidden`; a body that is not UTF-8 is in `bodyBase64` instead."""
    failure = letter.failure
    return {
        "id": letter.id,
        "eventType": failure.event_type,
        "key": letter.message.key,
        "origin": letter.origin,
        "enqueuedAt": timestamp_text(letter.enqueued_at),
        "redrives": letter.redrives,
        "error": {"class": failure.error_class, "code": failure.error_code, "message": failure.error_message},
        "attempts": failure.attempts,
        "firstFailedAt": timestamp_text(failure.first_failed_at),
        "lastFailedAt": timestamp_text(failure.last_failed_at),
        "workerVersion": failure.worker_version,
        "traceparent": failure.traceparent,
        "operation": failure.operation,
        "messageId": letter.message.id,
        "headers": letter.message.headers,
        **_body(redacted(letter.message.body, hidden)),
    }


def _body(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"bodyBase64": base64.b64encode(body).decode()}


def in_full(letter: DeadLetter, hidden: Hidden) -> str:
    """One letter for a person: what happened, then the event."""
    facts = as_json(letter, hidden)
    error = facts.pop("error")
    body = facts.pop("body", None) or facts.pop("bodyBase64", "")
    lines = [f"{name:<15} {value}" for name, value in facts.items() if value not in ("", {})]
    lines[1:1] = [f"{'error':<15} {error['class']} {error['code']}: {error['message']}"]
    return "\n".join([*lines, "", _indented(body)])


def _indented(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


def timestamp_text(unix_seconds: float) -> str:
    """UTC, to the second."""
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain_table(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns of even width, for output that another program reads: nothing is cut."""
    widths = [max(len(cells[column]) for cells in (COLUMNS, *rows)) for column in range(len(COLUMNS))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in (COLUMNS, *rows)
    )
    return "\n".join(line.rstrip() for line in lines)
