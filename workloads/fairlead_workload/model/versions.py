"""Versions of documents, and their ETags. Pure.

A new document takes the time in microseconds, but is above the last version of its key, so that a document that is
created again never repeats one. An update adds 1.
"""


def from_time(unix_seconds: float) -> int:
    """The least version of a document that is created now."""
    return int(unix_seconds * 1_000_000)


def next_version(stored: int | None, *, last: int, least: int) -> int:
    """The version after `stored`. Without a document: `least`, or above `last`, that of the key's tombstone."""
    return stored + 1 if stored is not None else max(least, last + 1)


def etag(version: int) -> str:
    """The strong ETag of a version."""
    return f'"{version}"'
