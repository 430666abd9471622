"""The resources of the store's suites, and how they write and read."""

from typing import Any

import pytest

from fairlead_contract.spec.api import Resource
from fairlead_workload.errors import Conflict
from fairlead_workload.stores.base import Expect, Mutation, Store, Unit

ABSENT, PRESENT, ANY = Expect.ABSENT, Expect.PRESENT, Expect.ANY

ORDERS = Resource.model_validate(
    {
        "name": "orders",
        "key": {"partition": "id"},
        "schema": {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "customerId": {"type": "string"},
                "quantity": {"type": "integer"},
                "price": {"type": "number"},
                "paid": {"type": "boolean"},
                "lines": {"type": "array"},
                "address": {"type": "object"},
            },
        },
    }
)
COUNTERS = Resource.model_validate(
    {
        "name": "counters",
        "key": {"partition": "number"},
        "schema": {"type": "object", "properties": {"number": {"type": "integer"}}},
    }
)


def put(id_: str, expect: Expect | int = Expect.ANY, version: int | None = None, **values: Any) -> Mutation:
    return Mutation("orders", (id_,), {"id": id_, **values}, expect, version)


def delete(id_: str, expect: Expect | int = Expect.ANY, version: int | None = None) -> Mutation:
    return Mutation("orders", (id_,), None, expect, version)


async def write(store: Store, *mutations: Mutation) -> int:
    """Commit; the version of the last mutation."""
    committed = await store.commit(Unit(mutations))
    return committed.versions[-1]


async def read(store: Store, id_: str) -> dict[str, Any] | None:
    (record,) = await store.get("orders", [(id_,)])
    return record and record.document


async def conflict(store: Store, unit: Unit) -> Conflict:
    with pytest.raises(Conflict) as caught:
        await store.commit(unit)
    return caught.value
