"""The fetch function of a document cache: one document by its path, encoded."""

from fairlead_workload.caches.policy import Fetch, Fetched
from fairlead_workload.model.resource import Resource
from fairlead_workload.model.versions import etag
from fairlead_workload.stores.base import Store

_ABSENT = Fetched(None, 0, "")


def fetcher(resource: Resource, store: Store) -> Fetch:
    """The fetch of `resource`'s cache. Its keys are `RESOURCE/KEY`, as `Resource.path` gives them."""

    async def fetch(path: str, strong: bool) -> Fetched:
        (record,) = await store.get(resource.name, [resource.parse_path(path)], strong=strong)
        if record is None:
            return _ABSENT
        return Fetched(resource.encode(record.document), record.version, etag(record.version))

    return fetch
