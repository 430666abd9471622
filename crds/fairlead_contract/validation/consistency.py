"""What CEL cannot see in one resource of the API: whether keys, indexes, timestamps and references fit the schema."""

from collections.abc import Iterator

from fairlead_contract.findings import Finding, Place, Severity, did_you_mean, error, warning
from fairlead_contract.json_schema.compilation import property_type, schema_findings
from fairlead_contract.json_schema.references import PlainSchema
from fairlead_contract.spec.api import LIST_PARAMETERS, Api, KeyGeneration, Operation, Reads, Resource
from fairlead_contract.spec.apiservice import ApiServiceSpec
from fairlead_contract.spec.bindings import DatastoreType
from fairlead_contract.spec.hosting import Scaling, WorkerScaling
from fairlead_contract.validation.write_only import write_only_findings

_SCALAR = "must be a property of one scalar type: string, integer, number or boolean"


def api_findings(spec: ApiServiceSpec) -> list[Finding]:
    """Everything about `spec.api` that its schemas and its CEL rules do not say."""
    findings: list[Finding] = []
    for position, resource in enumerate(spec.api.resources):
        place = ("spec", "api", "resources", position)
        of_schema = schema_findings(resource.schema_.document(), (*place, "schema"))
        findings += of_schema
        if any(finding.severity is Severity.ERROR for finding in of_schema):
            continue  # the checks below read the schema
        findings += [*_key(resource, place), *_indexes(resource, place), *_timestamps(resource, place)]
        findings += [*_parameters(resource, place)]
        findings += [
            *_references(resource, spec.api, place),
            *_read_only(resource, place),
            *_reads(resource, spec, place),
        ]
        findings += write_only_findings(resource, place)
    return [*findings, *_authorization(spec), *_scaling(spec)]


def _key(resource: Resource, place: Place) -> Iterator[Finding]:
    schema, key = resource.schema_.plain, resource.key
    for word, name in (("partition", key.partition), ("sort", key.sort)):
        yield from _scalar(schema, name, (*place, "key", word))
    if key.sort == key.partition:
        yield error((*place, "key", "sort"), "is the same property as partition", "choose another, or leave sort out")
    if key.generate is KeyGeneration.UUID_V7 and property_type(schema, key.partition) not in {"string", None}:
        yield error((*place, "key", "generate"), f"UUIDv7 needs `{key.partition}` to be a string", "make it a string")


def _scalar(schema: PlainSchema, name: str | None, place: Place) -> Iterator[Finding]:
    if name in schema.properties and property_type(schema, str(name)) is None:
        yield error(place, f"`{name}` {_SCALAR}", "give it such a type, without null")


def _indexes(resource: Resource, place: Place) -> Iterator[Finding]:
    schema = resource.schema_.plain
    seen = {(resource.key.partition, resource.key.sort): "the primary key"}
    for position, index in enumerate(resource.indexes):
        where = (*place, "indexes", position)
        yield from _scalar(schema, index.partition, (*where, "partition"))
        yield from _scalar(schema, index.sort, (*where, "sort"))
        if index.sort == index.partition:
            yield error((*where, "sort"), "is the same property as partition", "choose another, or leave sort out")
        if index.sort in schema.properties and not resource.always_has(str(index.sort)):
            message = (
                f"documents without `{index.sort}` are in no list by this index, even one by `{index.partition}` alone"
            )
            yield warning((*where, "sort"), message, f"add `{index.sort}` to `required`, or use an index without sort")
        shape = (index.partition, index.sort)
        if shape in seen:
            yield warning(where, f"`{index.name}` repeats {seen[shape]}", "remove it")
        seen.setdefault(shape, f"index `{index.name}`")


def _parameters(resource: Resource, place: Place) -> Iterator[Finding]:
    """Partitions that no list can name: the value in the URL is taken for the parameter of that name."""
    if Operation.LIST not in resource.operations:
        return
    remedy = "rename the property"
    for position, index in enumerate(resource.indexes):
        if index.partition in LIST_PARAMETERS:
            message = f"`{index.partition}` is a parameter of every list, so nobody can use this index"
            yield error((*place, "indexes", position, "partition"), message, remedy)
    if resource.key.partition in LIST_PARAMETERS:
        message = f"`{resource.key.partition}` is a parameter of every list, so nobody can list by this key"
        yield warning((*place, "key", "partition"), message, remedy)


def _timestamps(resource: Resource, place: Place) -> Iterator[Finding]:
    properties = resource.schema_.plain.properties
    for word in ("created", "updated"):
        name = getattr(resource.timestamps, word)
        where = (*place, "timestamps", word)
        if name is None:
            continue
        if name not in properties:
            message = f"`{name}` is no property of the schema{did_you_mean(name, properties)}"
            yield error(where, message, "declare it: {type: string, format: date-time, readOnly: true}")
            continue
        node = properties[name]
        if (node.get("type"), node.get("format"), node.get("readOnly")) != ("string", "date-time", True):
            message = f"`{name}` must be a readOnly date-time string"
            yield error(where, message, "declare it: {type: string, format: date-time, readOnly: true}")
        if name in {resource.key.partition, resource.key.sort}:
            yield error(where, f"`{name}` belongs to the key", "choose another property")
    if resource.timestamps.created and resource.timestamps.created == resource.timestamps.updated:
        yield error((*place, "timestamps", "updated"), "is the same property as created", "choose another property")


def _references(resource: Resource, api: Api, place: Place) -> Iterator[Finding]:
    targets = {target.name: target for target in api.resources}
    for position, reference in enumerate(resource.references):
        target = targets.get(reference.resource)
        where = (*place, "references", position)
        if target is None or reference.field not in resource.schema_.properties:
            continue  # a CEL rule has said so
        if target.key.sort is not None:
            message = f"`{target.name}` has a sort key; only resources with a single key can be referred to"
            yield error((*where, "resource"), message, "remove the reference")
        have = property_type(resource.schema_.plain, reference.field)
        want = property_type(target.schema_.plain, target.key.partition)
        if have != want:
            message = (
                f"`{reference.field}` is {have or 'no scalar'}, but the key of `{target.name}` is {want or 'no scalar'}"
            )
            yield error((*where, "field"), message, "give both the same type")


def _read_only(resource: Resource, place: Place) -> Iterator[Finding]:
    schema, key = resource.schema_.plain, resource.key
    served = {resource.timestamps.created, resource.timestamps.updated}
    served |= {key.partition} if key.generate else set()
    for name, node in schema.properties.items():
        if node.get("readOnly") is not True or name in served:
            continue
        where = (*place, "schema", "properties", name)
        if name in {key.partition, key.sort}:
            yield error(where, f"the key property `{name}` is readOnly", "remove readOnly, or let `generate` make it")
        elif name in schema.root.get("required", ()) and "default" not in node:
            message = f"`{name}` is required and readOnly, so no client can create a document"
            yield error(where, message, "give it a default, or do not require it")


def _reads(resource: Resource, spec: ApiServiceSpec, place: Place) -> Iterator[Finding]:
    listed = resource.indexes and Operation.LIST in resource.operations
    if resource.reads is Reads.STRONG and listed and spec.datastore.type is DatastoreType.DYNAMODB:
        message = "DynamoDB cannot list an index with strong reads"
        yield error((*place, "reads"), message, "use Eventual, or remove List or the indexes")


def _scaling(spec: ApiServiceSpec) -> Iterator[Finding]:
    """Settings of autoscalers that are not there."""
    place = ("spec", "scaling")
    if spec.datastore.type is DatastoreType.SQLITE:
        if spec.scaling != Scaling():
            remedy = "remove it, or choose another datastore"
            yield warning(place, "has no effect: with datastore SQLite there is one pod", remedy)
    elif spec.queue is None and spec.scaling.worker != WorkerScaling():
        yield warning((*place, "worker"), "has no effect: without a queue there is no worker", "remove it")


def _authorization(spec: ApiServiceSpec) -> Iterator[Finding]:
    names = [resource.name for resource in spec.api.resources]
    rules = spec.security.authorization if spec.security else ()
    for position, rule in enumerate(rules):
        for index, name in enumerate(rule.resources):
            if name not in names:
                place = ("spec", "security", "authorization", position, "resources", index)
                yield error(
                    place, f"unknown resource `{name}`{did_you_mean(name, names)}", "name a resource of this API"
                )
