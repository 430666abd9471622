"""Updating the cache after a commit, and on a later delivery of the event, when an earlier update may have been lost.

An event is acknowledged when the shared cache has confirmed the update, because other processes serve what they find
there. Until then it is given back, but (unless it is a write-back) no longer than outdated entries can last.
"""

from fairlead_contract.spec.api import CacheStrategy
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.errors import Unavailable
from fairlead_workload.model.operations import decode_record
from fairlead_workload.model.resource import Resource
from fairlead_workload.model.versions import etag
from fairlead_workload.stores.base import OPERATIONS, Document, Key, Store
from fairlead_workload.worker.dispatch import CommandItem, Item

CACHE_NOT_CONFIRMED = Unavailable("cache", "it could not confirm what was written")


async def update_cache(
    cache: DocumentCache, resource: Resource, key: Key, document: Document | None, version: int
) -> bool:
    """The store has `document` (None: deleted) at `version`. Encoded only for a cache that keeps it. Never raises.

    False: the shared cache has not confirmed it.
    """
    strategy = resource.spec.cache.strategy
    if strategy is CacheStrategy.NONE:
        return True
    path = resource.path(key)
    if document is None:
        return await cache.deleted(path, version)
    if strategy is CacheStrategy.READ_THROUGH:
        return await cache.invalidate(path, version)
    return await cache.written(path, version, resource.encode(document), etag(version))


async def end_staged(cache: DocumentCache, item: Item, staged: int, stored: int | None) -> bool:
    """What was shown under the version `staged` is stored under `stored`, or (None) will not be. Never raises.

    False: the cache has not confirmed it. A later version has taken its place when the cache was updated.
    """
    path = item.resource.path(item.key)
    if stored is None:
        return await cache.discard(path, staged)
    return stored != staged or await cache.settle(path, staged, absent=_deletes(item))


async def refresh_cache(cache: DocumentCache, store: Store, item: Item) -> bool:
    """An event was handled before, but perhaps not all that was to follow: invalidate what is older than stored.

    False: the shared cache has not confirmed it. Raises what the store raises.
    """
    if item.resource.spec.cache.strategy is CacheStrategy.NONE:
        return True
    path = item.resource.path(item.key)
    (record,) = await store.get(item.resource.name, [item.key], strong=True)
    version = 0 if record is None else record.version
    if isinstance(item, CommandItem) and item.command.version is not None:
        staged = item.command.version
        if version == staged or (record is None and _deletes(item)):
            return await cache.settle(path, staged, absent=record is None)
        return await cache.invalidate(path, max(version, staged + 1))
    (operation,) = await store.records([(OPERATIONS, item.event.id)])
    written = None if operation is None else decode_record(operation.value).version
    version = max(written or 0, version)
    return version == 0 or await cache.invalidate(path, version)


def may_be_outdated(cache: DocumentCache, item: Item, *, now: float) -> bool:
    """Whether something may still be cached that the event, which was handled before, has replaced."""
    if isinstance(item, CommandItem) and item.command.version is not None:
        return True  # a write-back is shown until the cache has confirmed its end
    handled = item.history.inbox
    return handled is not None and now - handled.created_at < cache.stale_seconds


def _deletes(item: Item) -> bool:
    return isinstance(item, CommandItem) and item.command.body is None
