"""Updating the cache after a commit. Encoded only for a cache that keeps it."""

from fairlead_contract.spec.api import CacheStrategy
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.model.resource import Resource
from fairlead_workload.model.versions import etag
from fairlead_workload.stores.base import Document, Key


async def update_cache(
    cache: DocumentCache, resource: Resource, key: Key, document: Document | None, version: int
) -> None:
    """The store has `document` (None: deleted) at `version`. Never raises."""
    strategy = resource.spec.cache.strategy
    if strategy is CacheStrategy.NONE:
        return
    path = resource.path(key)
    if document is None:
        await cache.deleted(path, version)
    elif strategy is CacheStrategy.READ_THROUGH:
        await cache.invalidate(path, version)
    else:
        await cache.written(path, version, resource.encode(document), etag(version))
