"""The query of a list, compiled per resource: which parameters there are, which index serves them, how a value reads.

A filter is equality on the partition of the primary key or of an index, and equality or a range on its sort property;
anything else is a problem that names what would be served. Reserved names (limit, cursor, order) win over properties of
that name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from fairlead_workload.errors import Problem
from fairlead_workload.model import keys, problems
from fairlead_workload.model.problems import FieldError
from fairlead_workload.model.resource import Resource
from fairlead_workload.stores.base import Range, Scalar

DEFAULT_LIMIT, MAX_LIMIT = 50, 200
MAX_PARAMETERS = 32
_COMPARISONS = ("gte", "lte", "gt", "lt")
_LIMIT = re.compile(r"[1-9][0-9]{0,2}")


@dataclass(frozen=True, slots=True)
class ListIndex:
    """The primary key (`name` None) or a declared index."""

    name: str | None
    partition: str
    sort: str | None

    def serves(self, equal: Mapping[str, Scalar], ranged: Mapping[str, dict[str, Scalar]]) -> bool:
        """Whether these filters are on its properties, and the partition's is an equality."""
        if self.partition not in equal or self.partition in ranged:
            return False
        return equal.keys() - {self.partition} <= {self.sort} and ranged.keys() <= {self.sort}

    def describe(self) -> dict[str, Any]:
        """As a problem names it."""
        return {"name": self.name or "primary", "partition": self.partition, "sort": self.sort}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list request, understood. `index` None means every document, in order of the primary key."""

    index: ListIndex | None
    partition: Scalar | None
    sort: Range | None
    descending: bool
    limit: int
    cursor: str | None
    parameters: Mapping[str, str]  # all of them but the cursor, as they came


class QueryParser:
    """Reads the queries of one resource."""

    def __init__(self, resource: Resource) -> None:
        self._properties = resource.properties
        self._unfiltered = resource.spec.list_.unfiltered
        sort = resource.key_names[1] if len(resource.key_names) > 1 else None
        self._indexes = (
            ListIndex(None, resource.key_names[0], sort),
            *(ListIndex(index.name, index.partition, index.sort) for index in resource.spec.indexes),
        )
        self._filters = {index.partition for index in self._indexes} | {
            index.sort for index in self._indexes if index.sort
        }
        self._parsers = {name: keys.parser(self._properties[name]) for name in self._filters}

    def parse(self, raw: bytes) -> ListQuery:
        """The query of a URL. Raises Problem `invalid-query` with everything that is wrong."""
        parameters = self._parameters(raw)
        link_parameters = {name: text for name, text in parameters.items() if name != "cursor"}
        limit = self._limit(parameters.pop("limit", None))
        order = parameters.pop("order", "asc")
        if order not in ("asc", "desc"):
            raise self._refused("The order is asc or desc.", "order")
        cursor = parameters.pop("cursor", None)
        equal, ranged = self._split(parameters)
        if not equal and not ranged:
            if not self._unfiltered:
                raise self._refused("This collection is listed with a filter only.")
            return ListQuery(None, None, None, order == "desc", limit, cursor, link_parameters)
        index = next((index for index in self._indexes if index.serves(equal, ranged)), None)
        if index is None:
            raise self._refused("No index serves this combination of filters.")
        bounds = dict(ranged.get(index.sort, {})) if index.sort else {}
        if index.sort in equal and index.sort != index.partition:
            bounds["eq"] = equal[index.sort]
        sort = Range(**bounds) if bounds else None
        return ListQuery(index, equal[index.partition], sort, order == "desc", limit, cursor, link_parameters)

    def _parameters(self, raw: bytes) -> dict[str, str]:
        parameters: dict[str, str] = {}
        if not raw:
            return parameters
        pairs = raw.split(b"&")
        if len(pairs) > MAX_PARAMETERS:
            raise self._refused(f"At most {MAX_PARAMETERS} parameters are taken.")
        for pair in pairs:
            name, value = (self._decoded(part) for part in pair.partition(b"=")[::2])
            if name in parameters:
                raise self._refused("A parameter is given more than once.", name)
            if "\0" in value:
                raise self._refused("A value holds U+0000.", name)
            parameters[name] = value
        return parameters

    def _decoded(self, part: bytes) -> str:
        try:
            return unquote_to_bytes(part.replace(b"+", b" ")).decode()
        except UnicodeDecodeError:
            raise self._refused("The query is not UTF-8.") from None

    def _limit(self, text: str | None) -> int:
        if text is None:
            return DEFAULT_LIMIT
        if not _LIMIT.fullmatch(text) or int(text) > MAX_LIMIT:
            raise self._refused(f"The limit is an integer from 1 to {MAX_LIMIT}.", "limit")
        return int(text)

    def _split(self, parameters: Mapping[str, str]) -> tuple[dict[str, Scalar], dict[str, dict[str, Scalar]]]:
        """Equalities, and ranges by property."""
        equal: dict[str, Scalar] = {}
        ranged: dict[str, dict[str, Scalar]] = {}
        unknown: list[str] = []
        for name, text in parameters.items():
            filtered, _, comparison = name.partition(".")
            if filtered not in self._filters or (comparison and comparison not in _COMPARISONS) or name.endswith("."):
                unknown.append(name)
            elif comparison:
                ranged.setdefault(filtered, {})[comparison] = self._value(filtered, name, text)
            else:
                equal[filtered] = self._value(filtered, name, text)
        if unknown:
            raise self._refused("A parameter is not known, or no index has its property.", *unknown)
        return equal, ranged

    def _value(self, filtered: str, parameter: str, text: str) -> Scalar:
        schema = self._properties[filtered]
        time_format = keys.time_format(schema)
        if time_format is not None:  # an offset's plus sign that was sent unencoded has become a space
            text = text.replace(" ", "+")
        elif schema.get("type", "string") == "string":
            return text
        try:
            return self._parsers[filtered](text)
        except keys.InvalidKey:
            detail = (
                f"The value is not a {time_format} (RFC 3339)."
                if time_format
                else f"The value is not of type {schema['type']}."
            )
            raise self._refused(detail, parameter) from None

    def _refused(self, detail: str, *parameters: str) -> Problem:
        errors: tuple[FieldError, ...] = tuple({"parameter": name[:100], "detail": detail} for name in parameters)
        return problems.invalid_query(detail, errors=errors, indexes=[index.describe() for index in self._indexes])
