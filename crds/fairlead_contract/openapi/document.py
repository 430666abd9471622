"""The OpenAPI 3.1 document of a service, derived from its runtime document. Pure.

Paths, operations and answers, exactly as the API serves them. The modules beside this one make the parts: parameters,
filters of lists, headers, schemas, problems, examples.
"""

from collections.abc import Iterable

from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.openapi import problems, schemas
from fairlead_contract.openapi.accepted_writes import (
    OPERATION_PROBLEMS,
    OPERATION_SCHEMA,
    accepted_response,
    operation_path,
)
from fairlead_contract.openapi.examples import example
from fairlead_contract.openapi.head import head_of
from fairlead_contract.openapi.headers import HEADERS, header_references
from fairlead_contract.openapi.list_filters import filter_parameters, list_description
from fairlead_contract.openapi.names import Names, resource_names
from fairlead_contract.openapi.parameters import PARAMETERS, key_parameter, parameter_references
from fairlead_contract.openapi.schemas import key_names, reference
from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.api import CacheStrategy, Resource, Writes

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WRITTEN = ("Idempotency-Replayed", "X-Request-ID")
_JSON, _PATCH = "application/json", "application/merge-patch+json"


def openapi(document: RuntimeDocument) -> Json:
    """The OpenAPI 3.1 document of the service that `document` describes."""
    service = _Service(document)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": DIALECT,
        "info": {
            "title": document.api.title or document.name,
            "version": document.api.version,
            "description": _description(document),
        },
        "servers": [{"url": "/", "description": "Where this document comes from."}],
        "tags": service.tags(),
        "paths": service.paths(),
        "components": service.components(),
    }


def _description(document: RuntimeDocument) -> str:
    return (
        f"The {document.name} service. Errors are problem documents (RFC 9457). JSON bodies are UTF-8 without U+0000, "
        f"with integers of at most 64 bits, and have at most {document.security.max_body_bytes} bytes; they may "
        "come with `Content-Encoding` gzip or zstd. Every answer "
        "carries `X-Request-ID`. What a resource does not offer is answered with 405 and `Allow`; OPTIONS tells "
        "`Allow` too."
    )


class _Service:
    """Collects the parts of one document; the shared problem responses come from the operations that use them."""

    def __init__(self, document: RuntimeDocument) -> None:
        self._document = document
        self._version = document.api.version
        self._queued = document.queue is not None
        self._problems: set[tuple[str, ...]] = set()
        self._schemas: Json = {}
        self._examples: dict[str, Json | None] = {}
        names = Names()
        self._names = resource_names(names, (resource.name for resource in document.api.resources))
        for resource in document.api.resources:
            self._schemas |= schemas.resource_schemas(resource, self._names[resource.name], names)

    def tags(self) -> list[Json]:
        names = [{"name": resource.name, "description": _about(resource)} for resource in self._document.api.resources]
        return [*names, {"name": "operations", "description": "Accepted writes (202) and what became of them."}]

    def paths(self) -> Json:
        paths: Json = {}
        for resource in self._document.api.resources:
            collection, single = self._collection(resource), self._single(resource)
            path = f"/{self._version}/{resource.name}"
            if collection:
                paths[path] = collection
            if single:
                paths[path + "".join(f"/{{{name}}}" for name in key_names(resource))] = single
        self._problems.update(problems.group(OPERATION_PROBLEMS).values())
        paths[f"/{self._version}/operations/{{id}}"] = operation_path()
        return paths

    def components(self) -> Json:
        parameters: Json = dict(PARAMETERS)
        for resource in self._document.api.resources:
            parameters |= {
                self._key_component(resource, name): key_parameter(resource, name) for name in key_names(resource)
            }
        return {
            "schemas": self._schemas | {"Operation": OPERATION_SCHEMA, "Problem": problems.PROBLEM_SCHEMA},
            "parameters": parameters,
            "headers": HEADERS,
            "responses": {
                problems.component_name(slugs): problems.response(slugs)
                for slugs in sorted(self._problems, key=problems.component_name)
            },
        }

    # Paths

    def _collection(self, resource: Resource) -> Json:
        served = set(map(str, resource.operations))
        path: Json = {"parameters": parameter_references("RequestId")}
        if "List" in served:
            path["get"] = self._list(resource)
            path["head"] = head_of(path["get"])
        if "Create" in served:
            path["post"] = self._create(resource)
        return path if len(path) > 1 else {}

    def _single(self, resource: Resource) -> Json:
        served = set(map(str, resource.operations))
        keys = [self._key_component(resource, name) for name in key_names(resource)]
        path: Json = {"parameters": [reference("parameters", name) for name in (*keys, "RequestId")]}
        if "Get" in served:
            path["get"] = self._get(resource)
            path["head"] = head_of(path["get"])
        if "Update" in served:
            path["put"] = self._replace(resource)
        if "Patch" in served:
            path["patch"] = self._patch(resource)
        if "Delete" in served:
            path["delete"] = self._delete(resource)
        return path if len(path) > 1 else {}

    # Operations

    def _list(self, resource: Resource) -> Json:
        answer = {
            "description": "One page.",
            "headers": header_references("Link", "X-Request-ID"),
            "content": {_JSON: {"schema": reference("schemas", f"{self._names[resource.name]}Page")}},
        }
        return {
            "operationId": f"list{self._names[resource.name]}",
            "summary": f"List {resource.name}",
            "description": list_description(resource),
            "tags": [resource.name],
            "parameters": [*filter_parameters(resource), *parameter_references("Limit", "Cursor", "SortOrder")],
            "responses": {"200": answer} | self._responses((*problems.READ, "invalid-query")),
        }

    def _get(self, resource: Resource) -> Json:
        cached = ("Age", "Cache-Status", "Cache-Control", "ETag", "X-Request-ID")
        responses = {
            "200": self._document_answer(resource, "The document.", *cached),
            "304": {"description": "The client's copy is current.", "headers": header_references(*cached)},
        }
        return {
            "operationId": f"get{self._names[resource.name]}",
            "summary": f"Read one of {resource.name}",
            "tags": [resource.name],
            "parameters": parameter_references("IfMatch", "IfNoneMatch", "CacheControl"),
            "responses": responses
            | self._responses((*problems.READ, "invalid-key", "not-found", "precondition-failed")),
        }

    def _create(self, resource: Resource) -> Json:
        slugs = (*problems.WRITE, *problems.BODY, "already-exists", *_referring(resource))
        answer = self._document_answer(resource, "Created.", "ETag", "Location", *_WRITTEN)
        answer |= self._links(resource)
        body = self._body(resource, "Create", (_JSON,))
        return self._write(resource, "create", "Create one of", body, {"201": answer}, slugs)

    def _replace(self, resource: Resource) -> Json:
        slugs = (*problems.WRITE, *problems.BODY, "invalid-key", *_conditional(resource), *_referring(resource))
        answers = {
            "200": self._document_answer(resource, "Replaced.", "ETag", *_WRITTEN),
            "201": self._document_answer(resource, "Created.", "ETag", "Location", *_WRITTEN),
        }
        body = self._body(resource, "Replace", (_JSON,))
        return self._write(resource, "replace", "Replace or create one of", body, answers, slugs)

    def _patch(self, resource: Resource) -> Json:
        late = ("not-found", *_conditional(resource), *_referring(resource))
        slugs = (*problems.WRITE, *problems.BODY, "invalid-key", *late)
        answers = {"200": self._document_answer(resource, "Changed.", "ETag", *_WRITTEN)}
        body = self._body(resource, "Patch", (_PATCH, _JSON))
        return self._write(resource, "patch", "Change one of", body, answers, slugs)

    def _delete(self, resource: Resource) -> Json:
        slugs = (*problems.WRITE, "invalid-key", "not-found", *_conditional(resource))
        answers = {"204": {"description": "Deleted.", "headers": header_references(*_WRITTEN)}}
        return self._write(resource, "delete", "Delete one of", {}, answers, slugs)

    def _write(
        self, resource: Resource, verb: str, summary: str, body: Json, answers: Json, slugs: tuple[str, ...]
    ) -> Json:
        queued = self._queued and not _written_back(resource)
        names = ["IdempotencyKey"]
        if verb != "create" and not _written_back(resource):
            names += ["IfMatch", "IfNoneMatchToWrite"]
        if queued:
            names.append("Prefer")
            answers = {} if resource.writes is Writes.ACCEPTED else answers
            answers = answers | {"202": accepted_response()}
        return {
            "operationId": f"{verb}{self._names[resource.name]}",
            "summary": f"{summary} {resource.name}",
            "tags": [resource.name],
            "parameters": parameter_references(*names),
            **body,
            "responses": answers | self._responses(slugs),
        }

    # Parts

    def _key_component(self, resource: Resource, name: str) -> str:
        return f"{self._names[resource.name]}.{name}"

    def _responses(self, slugs: tuple[str, ...]) -> Json:
        self._problems.update(problems.group(slugs).values())
        return problems.responses(slugs)

    def _document_answer(self, resource: Resource, description: str, *headers: str) -> Json:
        name = self._names[resource.name]
        media: Json = {"schema": reference("schemas", name)}
        sample = self._example(name, self._schemas[name])
        if sample is not None:
            media["example"] = sample
        return {"description": description, "headers": header_references(*headers), "content": {_JSON: media}}

    def _body(self, resource: Resource, kind: str, types: Iterable[str]) -> Json:
        name = self._names[resource.name] + kind
        media: Json = {"schema": reference("schemas", name)}
        sample = self._example(name, _writable(self._schemas[name]))
        if sample is not None:
            media["example"] = sample
        return {"requestBody": {"required": True, "content": dict.fromkeys(types, media)}}

    def _example(self, name: str, schema: Json) -> Json | None:
        """The example of a component: found once, for to check it against its schema takes long."""
        if name not in self._examples:
            self._examples[name] = example(schema, self._schemas)
        return self._examples[name]

    def _links(self, resource: Resource) -> Json:
        if "Get" not in set(map(str, resource.operations)):
            return {}
        parameters = {name: f"$response.body#/{name}" for name in key_names(resource)}
        link = {
            "operationId": f"get{self._names[resource.name]}",
            "parameters": parameters,
            "description": "The new document.",
        }
        return {"links": {f"Get{self._names[resource.name]}": link}}


def _about(resource: Resource) -> str:
    if resource.writes is Writes.ACCEPTED:
        return "Writes are accepted (202) and carried out by a worker; the operation tells what became of them."
    return "Writes are carried out before they are answered."


def _referring(resource: Resource) -> tuple[str, ...]:
    return ("reference-not-found",) if resource.references else ()


def _writable(schema: Json) -> Json:
    properties = {
        name: value
        for name, value in schema["properties"].items()
        if isinstance(value, dict) and not value.get("readOnly")
    }
    return schema | {"properties": properties}


def _written_back(resource: Resource) -> bool:
    return resource.cache.strategy is CacheStrategy.WRITE_BACK


def _conditional(resource: Resource) -> tuple[str, ...]:
    return ("condition-not-supported",) if _written_back(resource) else ("precondition-failed",)
