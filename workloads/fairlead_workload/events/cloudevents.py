"""CloudEvents 1.0 in structured JSON mode: the one form of an event in queues, outbox and dead letters.

`source` + `id` is unique and the same on every retry; `sequence` is the document's version; `partitionkey` its key;
`hops` counts how many handlers an event has come through.
"""

from typing import Any

import msgspec

CONTENT_TYPE = "application/cloudevents+json"
MAX_HOPS = 8


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A CloudEvent. Unknown extensions of foreign producers are ignored."""

    id: str
    source: str
    type: str
    specversion: str
    subject: str = ""
    time: str = ""
    datacontenttype: str = ""
    partitionkey: str = ""
    sequence: str = ""
    traceparent: str = ""
    hops: int = 0
    data: Any = None


class UndecodableEvent(ValueError):
    """The bytes are not a CloudEvent in structured JSON mode."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """The event as JSON."""
    return _encoder.encode(event)


def decode(body: bytes) -> Event:
    """Raises UndecodableEvent."""
    try:
        event = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UndecodableEvent(str(error)) from None
    if event.specversion != "1.0":
        raise UndecodableEvent(f"specversion {event.specversion!r} is not 1.0")
    return event


def with_sequence(body: bytes, version: int) -> bytes:
    """An encoded event of ours, with its `sequence` added; the outbox knows it only after the commit."""
    return body[:-1] + b',"sequence":"%d"}' % version
