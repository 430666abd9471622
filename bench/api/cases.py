"""What is asked of the API, and which status it has to answer with. Anything else is an error."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from bench.api.wrk import KEY, Request
from bench.errors import Failed

PRODUCT, MISSING, ORDERS = "/v1/products/p1", "/v1/products/none", "/v1/orders"
LISTED = 20
LIST = f"/v1/products?category=listed&limit={LISTED}"
ORDER = json.dumps({"customerId": "c1", "productId": "p1", "quantity": 2})
JSON = {"Content-Type": "application/json"}
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
# Documents that are written in turn: more than there are connections, so that nobody waits for another's document.
WRITTEN = 256

Prepare = Callable[[httpx.Client], tuple[Request, ...]]


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison. `prepare` stores what is needed and gives the requests, which are sent in turn."""

    title: str
    prepare: Prepare
    expects: int
    goal: float | None = None  # least share of A's rate
    reads: bool = True  # whether A and the floor take in the body of a request
    worker: bool = False  # whether the worker runs beside the API, in the same process


def product(id_: str, *, price: float = 12.5, category: str = "some") -> dict[str, object]:
    """A product; all have the same number of bytes where the id has."""
    return {"id": id_, "name": f"A thing to order, {id_}", "price": price, "category": category}


def store(client: httpx.Client, document: dict[str, object]) -> httpx.Response:
    """Put a product. Raises Failed when it is refused."""
    answer = client.put(f"/v1/products/{document['id']}", json=document)
    if answer.status_code not in (200, 201):
        raise Failed(f"PUT {answer.url.path}: {answer.status_code} {answer.text}")
    return answer


def _cached(client: httpx.Client) -> tuple[Request, ...]:
    store(client, product("p1"))
    return (Request("GET", PRODUCT),)


def _not_modified(client: httpx.Client) -> tuple[Request, ...]:
    etag = store(client, product("p1")).headers["etag"]
    return (Request("GET", PRODUCT, {"If-None-Match": etag}),)


def _missing(client: httpx.Client) -> tuple[Request, ...]:
    del client
    return (Request("GET", MISSING),)


def _list(client: httpx.Client) -> tuple[Request, ...]:
    for number in range(LISTED):
        store(client, product(f"l{number:03}", category="listed"))
    items = client.get(LIST).json()["items"]
    if len(items) != LISTED:
        raise Failed(f"GET {LIST}: {len(items)} items, not {LISTED}")
    return (Request("GET", LIST),)


def _post(client: httpx.Client) -> tuple[Request, ...]:
    store(client, product("p1"))
    return (Request("POST", ORDERS, JSON, ORDER),)


def _post_with_key(client: httpx.Client) -> tuple[Request, ...]:
    store(client, product("p1"))
    return (Request("POST", ORDERS, JSON | {"Idempotency-Key": KEY}, ORDER),)


def _put(client: httpx.Client) -> tuple[Request, ...]:
    return tuple(
        Request("PUT", f"/v1/products/{id_}", JSON, json.dumps(product(id_, price=price)))
        for id_, price in _prices(client)
    )


def _patch(client: httpx.Client) -> tuple[Request, ...]:
    return tuple(
        Request("PATCH", f"/v1/products/{id_}", MERGE_PATCH, json.dumps({"price": price}))
        for id_, price in _prices(client)
    )


def _prices(client: httpx.Client) -> list[tuple[str, float]]:
    """Two rounds over stored products; each write changes the price."""
    ids = [f"w{number:03}" for number in range(WRITTEN)]
    for id_ in ids:
        store(client, product(id_))
    return [(id_, price) for price in (13.5, 14.5) for id_ in ids]


CASES: Mapping[str, Case] = {
    "get": Case("GET of a cached document, 200", _cached, 200, goal=0.75),
    "not-modified": Case("GET of it with If-None-Match, 304", _not_modified, 304, goal=0.75),
    "missing": Case("GET of a missing document, 404", _missing, 404),
    "list": Case(f"List by an index, {LISTED} items, 200", _list, 200),
    "post": Case("POST, 202, durable queue", _post, 202, goal=0.33),
    "post-unread": Case("POST, 202; A and the floor ignore the body", _post, 202, goal=0.33, reads=False),
    "post-key": Case("POST with an Idempotency-Key, 202", _post_with_key, 202),
    "put": Case("PUT, written at once, 200", _put, 200),
    "patch": Case("PATCH (merge patch), written at once, 200", _patch, 200),
    "post-worker": Case("POST beside the worker, 202", _post, 202, worker=True),
}
