"""Whether the sides do the same: the requests of the cases, one of each kind, and what may differ in the answers.

The same: status, the document or documents, that there is an ETag and that it counts, and that a condition on it holds
or not. Other: the number in an ETag, the text of a cursor (what it leads to is the same), and header fields that only
one of them has.
"""

from collections.abc import Mapping
from typing import Any

import httpx

from bench.errors import Failed
from bench.postgresql import documents

Seen = list[tuple[str, Any]]


def require_same(urls: Mapping[str, str]) -> None:
    """Raises Failed with the first answer that differs from that of the first side."""
    seen = {}
    for side, url in urls.items():
        with httpx.Client(base_url=url) as client:
            seen[side] = answers(client)
    first, *others = seen
    for other in others:
        for (what, ours), (_, theirs) in zip(seen[first], seen[other], strict=True):
            if ours != theirs:
                raise Failed(f"{other} does not answer as {first} does: {what}:\n  {ours}\n  {theirs}")


def answers(client: httpx.Client) -> Seen:
    """What a side answers, as far as it has to be the same. The documents are as before in the end."""
    return [*_reads(client), *_writes(client), *_pages(client)]


def _reads(client: httpx.Client) -> Seen:
    path = _path(1)
    found = client.get(path)
    known = {"If-None-Match": found.headers.get("etag", "")}
    return [
        ("GET", (found.status_code, found.json(), _is_etag(found))),
        ("GET of what the client has", client.get(path, headers=known).status_code),
        ("GET of nothing", client.get(_path(documents.COUNT)).status_code),
    ]


def _writes(client: httpx.Client) -> Seen:
    path, former = _path(2), client.get(_path(2))
    changed = documents.document(2, edition=7)
    written, stale = client.put(path, json=changed), {"If-Match": former.headers["etag"]}
    back = client.put(path, json=former.json(), headers={"If-Match": written.headers["etag"]})
    return [
        ("PUT", (written.status_code, written.json(), _grown(former, written))),
        ("PUT of what has changed since", client.put(path, json=changed, headers=stale).status_code),
        ("PUT of what has not", (back.status_code, back.json(), _grown(written, back))),
        ("GET after it", client.get(path).json()),
        ("PUT of a document that is not valid", client.put(path, json=changed | {"stock": -1}).status_code // 100),
        ("PUT with a property that is not known", client.put(path, json=changed | {"color": 1}).status_code // 100),
    ]


def _pages(client: httpx.Client) -> Seen:
    parameters = {"category": documents.category(3), "limit": str(documents.LISTED)}
    first = client.get("/v1/articles", params=parameters)
    second = client.get("/v1/articles", params=parameters | {"cursor": first.json()["next"]})
    empty = client.get("/v1/articles", params=parameters | {"category": "none"})
    return [
        ("the first page", (first.status_code, first.json()["items"])),
        ("the second page", (second.status_code, second.json())),
        ("a page of nothing", (empty.status_code, empty.json())),
    ]


def _path(number: int) -> str:
    return f"/v1/articles/{documents.key(number)}"


def _is_etag(answer: httpx.Response) -> bool:
    return answer.headers.get("etag", "").strip('"').isdecimal()


def _grown(before: httpx.Response, after: httpx.Response) -> int:
    first, second = (int(answer.headers["etag"].strip('"')) for answer in (before, after))
    return second - first
