"""Resources and shorthands of these tests."""

from typing import Any

from fairlead_contract.spec.api import Resource
from fairlead_workload.stores.base import Expect, Mutation, Unit


def resource(
    properties: dict[str, Any],
    *,
    name: str = "orders",
    key: tuple[str, ...] = ("id",),
    indexes: tuple[tuple[str, ...], ...] = (),
) -> Resource:
    """A resource; an index is its name, partition and, if it has one, sort property."""
    return Resource.model_validate(
        {
            "name": name,
            "key": dict(zip(("partition", "sort"), key, strict=False)),
            "schema": {"type": "object", "properties": properties},
            "indexes": [dict(zip(("name", "partition", "sort"), index, strict=False)) for index in indexes],
        }
    )


TEXT, INTEGER, NUMBER, BOOLEAN = ({"type": name} for name in ("string", "integer", "number", "boolean"))
ORDERS = resource({"id": TEXT, "customer": TEXT, "quantity": INTEGER}, indexes=(("byCustomer", "customer"),))


def put(id_: str, expect: Expect | int = Expect.ANY, **values: Any) -> Unit:
    return Unit((Mutation("orders", (id_,), {"id": id_, **values}, expect),))
