"""A resource that is known only from a list is read with a GET before anything is written for it.

An API server that lags behind, or was restored, may list a spec that was replaced long ago; carried out, it would take
the children back. A watch, or an answer about the resource itself, is newer than any list before it. So one read is due
after a start or a new list, and only for a resource that has something to write. None is due to make the children of a
resource that is listed without a status, for a create changes no existing object; nor to write a status over one of a
known version.
"""

from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import CachedResource, Name
from fairlead_operator.errors import Outdated
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client

_CONDITIONS = b'"conditions"'  # most that have not been read alone are new, and to look for a text costs nothing


async def confirm(client: Client, cache: ClusterCache, owner: Name) -> None:
    """Come before changes for `owner`. Outdated when the resource is another by now: a pass for that one is due."""
    unconfirmed = _unconfirmed(cache, owner)
    if unconfirmed is None:
        return
    live = await client.get(kinds.API_SERVICE, namespace=owner[0], name=owner[1])
    if live is None:
        raise Outdated(f"{'/'.join(owner)} is gone, though it was listed")
    record = CachedResource.read(live)
    cache.services.put(owner, record)
    if record.version != unconfirmed.version:
        raise Outdated(f"{'/'.join(owner)} was known only at version {unconfirmed.version} and is at {record.version}")


async def confirm_create(client: Client, cache: ClusterCache, owner: Name) -> None:
    """Come before children are made for `owner`; as `confirm`."""
    unconfirmed = _unconfirmed(cache, owner)
    if (
        unconfirmed is not None
        and _CONDITIONS in unconfirmed.text
        and "conditions" in unconfirmed.content.get("status", {})
    ):
        await confirm(client, cache, owner)


def _unconfirmed(cache: ClusterCache, owner: Name) -> CachedResource | None:
    return cache.services.get(owner) if cache.services.is_unconfirmed(owner) else None
