"""Filters of lists in the OpenAPI document: one parameter per property of an index and comparison. Pure."""

from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.openapi import schemas
from fairlead_contract.spec.api import LIST_PARAMETERS, Resource

_COMPARISONS = {"gt": "greater than", "gte": "at least", "lt": "less than", "lte": "at most"}
_TIME_FORMATS = ("date", "date-time", "time")  # formats that a filter has to have, as documents do


def filter_parameters(resource: Resource) -> list[Json]:
    """The query parameters by which the collection can be filtered."""
    indexes = _indexes(resource)
    parameters: dict[str, Json] = {}
    for partition, sort in indexes:
        parameters.setdefault(partition, _filter(resource, partition, partition, f"{partition} is equal to this."))
        if sort is None:
            continue
        parameters.setdefault(sort, _filter(resource, sort, sort, f"{sort} is equal to this; needs {partition}."))
        for comparison, words in _COMPARISONS.items():
            name = f"{sort}.{comparison}"
            parameters.setdefault(name, _filter(resource, sort, name, f"{sort} is {words} this; needs {partition}."))
    return [parameter for name, parameter in parameters.items() if name not in LIST_PARAMETERS]


def list_description(resource: Resource) -> str:
    """Which filters there are, for people."""
    ways = [f"`{partition}`" + (f" (and `{sort}`)" if sort else "") for partition, sort in _indexes(resource)]
    rest = "Without a filter, every document." if resource.list_.unfiltered else "A filter is required."
    text = f"Filter by {' or '.join(ways)}. {rest} Sorted by the second property where there is one, then by key."
    absent = [
        f" Documents without `{index.sort}` are not in a list by `{index.partition}` and `{index.sort}`."
        for index in resource.indexes
        if index.sort is not None and not resource.always_has(index.sort)
    ]
    return text + "".join(absent)


def _indexes(resource: Resource) -> list[tuple[str, str | None]]:
    """(partition, sort) of the primary key and of each index."""
    return [
        (resource.key.partition, resource.key.sort),
        *((index.partition, index.sort) for index in resource.indexes),
    ]


def _filter(resource: Resource, property_: str, name: str, description: str) -> Json:
    declared = resource.schema_.plain.properties[property_]
    schema: Json = {"type": declared.get("type", "string")}
    if schema["type"] == "string" and declared.get("format") in _TIME_FORMATS:
        schema["format"] = declared["format"]
    elif schema["type"] == "integer":
        schema |= schemas.INT64
    return {"name": name, "in": "query", "description": description, "schema": schema}
