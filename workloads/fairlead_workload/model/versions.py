"""Versions of documents, and their ETags. Pure.

A new document takes the time in microseconds, but is above the last version of its key, so that a document that is
created again never repeats one. An update adds 1; a write-back takes the time, as a new document does, because what
the next version is may be decided by two who do not know of each other.
"""

from fairlead_workload.stores.base import Mutation


def from_time(unix_seconds: float) -> int:
    """The least version of a document that is created now."""
    return int(unix_seconds * 1_000_000)


def next_version(stored: int | None, *, last: int, least: int) -> int:
    """The version after `stored`. Without a document: `least`, or above `last`, that of the key's tombstone."""
    return stored + 1 if stored is not None else max(least, last + 1)


def least_committed(mutation: Mutation) -> int:
    """The least version that a commit of `mutation` gives, decided on what is stored as far as it says so.

    Whatever older is cached may be outdated by it. An absence that somebody has read has version 0.
    """
    if mutation.version is not None:
        return mutation.version
    return mutation.expect + 1 if isinstance(mutation.expect, int) else 1


def etag(version: int) -> str:
    """The strong ETag of a version."""
    return f'"{version}"'
