"""Redaction of events: properties that are writeOnly are removed before an event is printed. Pure.

Commands carry what a client wrote; the facts that follow are redacted when they are made.
"""

from collections.abc import Collection, Mapping

import msgspec

from fairlead_workload.events.commands import action_of

Hidden = Mapping[str, Collection[str]]
"""Names of properties by the resource that hides them."""


def redacted(body: bytes, hidden: Hidden) -> bytes:
    """The encoded event in `body` without what is hidden. What is no event of a resource that hides stays as it is."""
    try:
        event = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body
    type_ = event.get("type") if isinstance(event, dict) else None
    names = hidden.get(type_.rpartition(".")[0], ()) if isinstance(type_, str) else ()
    data = event.get("data") if names else None
    if not isinstance(data, dict):
        return body
    document = data.get("body") if action_of(type_ or "") else data
    if not isinstance(document, dict) or document.keys().isdisjoint(names):
        return body
    for name in names:
        document.pop(name, None)
    return msgspec.json.encode(event)
