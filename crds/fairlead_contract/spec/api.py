"""The `spec.api` part: which REST resources are served, and how each is read, written, cached and checked."""

from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

from pydantic import ConfigDict, Field

from fairlead_contract.json_schema import references
from fairlead_contract.json_schema.references import PlainSchema
from fairlead_contract.spec.model import (
    SET_LIST,
    Duration,
    Model,
    PropertyName,
    ResourceName,
    Rule,
    ShortText,
    map_list,
)

LIST_PARAMETERS = frozenset({"limit", "cursor", "order"})  # of every list; they win over properties of that name


class Protocol(StrEnum):
    HTTP1 = "HTTP1"
    H2C = "H2C"


class Operation(StrEnum):
    CREATE = "Create"
    GET = "Get"
    LIST = "List"
    UPDATE = "Update"
    PATCH = "Patch"
    DELETE = "Delete"


class Writes(StrEnum):
    SYNC = "Sync"
    ACCEPTED = "Accepted"


class Reads(StrEnum):
    STRONG = "Strong"
    EVENTUAL = "Eventual"


class CacheStrategy(StrEnum):
    NONE = "None"
    READ_THROUGH = "ReadThrough"
    WRITE_THROUGH = "WriteThrough"
    WRITE_BACK = "WriteBack"


class KeyGeneration(StrEnum):
    UUID_V7 = "UUIDv7"


class Key(Model):
    """The primary key of a resource. It cannot change once the resource exists."""

    RULES = (Rule("self == oldSelf", "the key of a resource cannot change; give the new key to a new resource"),)
    partition: PropertyName = Field(
        description="Property that is the partition key: a string, integer, number or boolean."
    )
    sort: PropertyName | None = Field(
        default=None, description="Property that is the sort key; documents are then at /RESOURCE/{partition}/{sort}."
    )
    generate: KeyGeneration | None = Field(
        default=None,
        description="Let the server make the partition key of a new document. UUIDv7: time-ordered (RFC 9562).",
    )


class Schema(Model):
    """A JSON Schema (2020-12) of type object. `properties` is typed so far that CEL rules see the names."""

    model_config = ConfigDict(extra="allow")
    type: Literal["object"] = Field(description="Always `object`.")
    properties: dict[str, dict[str, Any]] = Field(
        max_length=200,
        description="The document's properties by name, each a JSON Schema. Clients cannot write readOnly ones, "
        "and nobody is shown writeOnly ones.",
    )

    def document(self) -> dict[str, Any]:
        """The schema as the JSON object that the user wrote."""
        return self.model_dump(mode="json", by_alias=True)

    @cached_property
    def plain(self) -> PlainSchema:
        """The schema as it is served, its references plain. Nobody changes it. Raises Unresolved; lint has said so."""
        return references.plain(self.document())


class Listing(Model):
    """How a collection may be listed beyond its indexes."""

    unfiltered: bool = Field(
        default=False, description="Allow a list without a filter. Otherwise such a list is answered with 400."
    )


class Timestamps(Model):
    """readOnly date-time properties that the server sets."""

    created: PropertyName | None = Field(default=None, description="Property set to the time of creation (UTC).")
    updated: PropertyName | None = Field(default=None, description="Property set to the time of each write (UTC).")


class Index(Model):
    """A secondary index: lists may filter by its partition property and, within it, by a range of its sort property.

    A document that lacks one of the two is not in it. Of several indexes that serve a list, the first is used.
    """

    name: PropertyName = Field(description="Name of the index, unique in the resource.")
    partition: PropertyName = Field(description="Property compared for equality: ?PROPERTY=value.")
    sort: PropertyName | None = Field(
        default=None,
        description="Property that orders the list and takes .gt .gte .lt .lte in the query. Documents without it are "
        "in no list by this index, so require it, or leave sort out.",
    )


class Reference(Model):
    """A property that names a document of another resource, which must exist when a write is accepted."""

    field: PropertyName = Field(description="Property that holds the other document's partition key.")
    resource: ResourceName = Field(description="Resource of the same ApiService that the property refers to.")


class LocalCache(Model):
    """The small in-process layer before a shared cache."""

    ttl: Duration = Field(default="2s", description="Longest time an entry is served without asking the shared cache.")
    max_entries: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Most entries kept, least recently used go."
    )


class ResourceCache(Model):
    """How one resource uses the service's cache binding."""

    strategy: CacheStrategy = Field(
        default=CacheStrategy.NONE,
        description="None; ReadThrough (filled by reads, invalidated by writes); WriteThrough (also filled by writes); "
        "WriteBack (answered from the cache, written to the store through the queue).",
    )
    ttl: Duration = Field(default="60s", description="How long an entry may be served. Each one varies by +-10 %.")
    negative_ttl: Duration = Field(
        default="5s", description="How long the absence of a document may be served; 0s: never."
    )
    local: LocalCache | None = Field(default=None, description="In-process layer before a shared cache. Default: none.")


class Resource(Model):
    """One REST resource: a collection at /VERSION/NAME and its documents below it."""

    RULES = (
        Rule(
            "self.key.partition in self.schema.properties",
            "the partition key must be a property of the schema; declare it there",
            ".key.partition",
        ),
        Rule(
            "!has(self.key.sort) || self.key.sort in self.schema.properties",
            "the sort key must be a property of the schema; declare it there",
            ".key.sort",
        ),
        Rule(
            "!has(self.indexes) || self.indexes.all(i, i.partition in self.schema.properties"
            " && (!has(i.sort) || i.sort in self.schema.properties))",
            "the partition and sort of an index must be properties of the schema; declare them there",
            ".indexes",
        ),
        Rule(
            "!has(self.references) || self.references.all(f, f.field in self.schema.properties)",
            "the field of a reference must be a property of the schema; declare it there",
            ".references",
        ),
        Rule(
            "self.name != 'operations'",
            "'operations' is the collection of accepted writes; name the resource otherwise",
            ".name",
        ),
    )
    name: ResourceName = Field(description="Plural name in the URL, such as `orders`. `operations` is reserved.")
    key: Key = Field(description="The primary key.")
    schema_: Schema = Field(alias="schema", description="JSON Schema 2020-12 of a document.")
    list_: Listing = Field(default=Listing(), alias="list", description="What lists are allowed beyond the indexes.")
    timestamps: Timestamps = Field(default=Timestamps(), description="Properties that carry creation and update times.")
    indexes: tuple[Index, ...] = Field(
        default=(), max_length=10, description="Secondary indexes.", json_schema_extra=map_list()
    )
    operations: tuple[Operation, ...] = Field(
        default=tuple(Operation),
        min_length=1,
        max_length=6,
        description="What clients may do. Default: all six.",
        json_schema_extra=SET_LIST,
    )
    writes: Writes = Field(
        default=Writes.SYNC,
        description="Sync: answered when stored (200, 201, 204). Accepted: answered with 202 when queued.",
    )
    reads: Reads = Field(
        default=Reads.EVENTUAL,
        description="Strong: every read asks the store's primary. Eventual: caches and replicas may answer.",
    )
    references: tuple[Reference, ...] = Field(
        default=(),
        max_length=16,
        description="Properties that must name an existing document.",
        json_schema_extra=map_list("field"),
    )
    cache: ResourceCache = Field(default=ResourceCache(), description="Use of the service's cache. Default: none.")

    def always_has(self, name: str) -> bool:
        """Whether every document has the property, unless a client takes a default away."""
        schema = self.schema_.plain
        served = {self.key.partition, self.key.sort, self.timestamps.created, self.timestamps.updated}
        return name in served or name in schema.root.get("required", ()) or "default" in schema.properties.get(name, {})


class Api(Model):
    """The REST API that the service offers."""

    RULES = (
        Rule(
            "self.resources.all(r, !has(r.references)"
            " || r.references.all(f, self.resources.exists(q, q.name == f.resource)))",
            "a reference must name a resource of this ApiService; add the resource, or correct the name",
            ".resources",
        ),
    )
    version: str = Field(
        default="v1", pattern=r"^v[1-9][0-9]{0,2}$", max_length=4, description="First part of every URL."
    )
    title: ShortText | None = Field(
        default=None, description="Title in the OpenAPI document. Default: the resource's name."
    )
    protocol: Protocol = Field(
        default=Protocol.HTTP1,
        description="What the port speaks without TLS. HTTP1: HTTP/1.1. H2C: HTTP/2 by prior knowledge too, for "
        "gateways and meshes that ask for it. With security.tls, clients choose HTTP/1.1 or HTTP/2.",
    )
    resources: tuple[Resource, ...] = Field(
        min_length=1, max_length=32, description="The resources served.", json_schema_extra=map_list()
    )


__all__ = [
    "Api",
    "CacheStrategy",
    "Index",
    "Key",
    "KeyGeneration",
    "Listing",
    "LocalCache",
    "Operation",
    "Protocol",
    "Reads",
    "Reference",
    "Resource",
    "ResourceCache",
    "Schema",
    "Timestamps",
    "Writes",
]
