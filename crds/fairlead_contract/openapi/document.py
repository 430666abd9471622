"""The OpenAPI 3.1 document of a service, derived from its runtime document. Pure.

Decided here: paths, operations, parameters and answers, exactly as the API serves them; the schemas are in
`openapi_schemas.py`, the problems in `openapi_problems.py`. Every GET is there as HEAD too.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from fairlead_contract.openapi import problems, schemas
from fairlead_contract.openapi.examples import example
from fairlead_contract.openapi.names import Names, resource_names
from fairlead_contract.openapi.schemas import key_names, reference
from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.api import LIST_PARAMETERS, CacheStrategy, Resource, Writes

Json = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_LIMIT, DEFAULT_LIMIT = 200, 50
_COMPARISONS = {"gt": "greater than", "gte": "at least", "lt": "less than", "lte": "at most"}
_WRITTEN = ("Idempotency-Replayed", "X-Request-ID")
_MOMENTS = ("date", "date-time", "time")  # formats that a filter has to have, as documents do
_OPERATION_PROBLEMS = (*problems.READ, "not-found", "operation-gone")
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
        self._problems.update(problems.group(_OPERATION_PROBLEMS).values())
        paths[f"/{self._version}/operations/{{id}}"] = _operations()
        return paths

    def components(self) -> Json:
        parameters: Json = dict(_PARAMETERS)
        for resource in self._document.api.resources:
            parameters |= {self._key_component(resource, name): _key(resource, name) for name in key_names(resource)}
        return {
            "schemas": self._schemas | {"Operation": _OPERATION, "Problem": problems.PROBLEM_SCHEMA},
            "parameters": parameters,
            "headers": _HEADERS,
            "responses": {
                problems.component_name(slugs): _refusal(slugs)
                for slugs in sorted(self._problems, key=problems.component_name)
            },
        }

    # Paths

    def _collection(self, resource: Resource) -> Json:
        served = set(map(str, resource.operations))
        path: Json = {"parameters": _parameters("RequestId")}
        if "List" in served:
            path["get"] = self._list(resource)
            path["head"] = _head(path["get"])
        if "Create" in served:
            path["post"] = self._create(resource)
        return path if len(path) > 1 else {}

    def _single(self, resource: Resource) -> Json:
        served = set(map(str, resource.operations))
        keys = [self._key_component(resource, name) for name in key_names(resource)]
        path: Json = {"parameters": [reference("parameters", name) for name in (*keys, "RequestId")]}
        if "Get" in served:
            path["get"] = self._get(resource)
            path["head"] = _head(path["get"])
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
            "headers": _headers("Link", "X-Request-ID"),
            "content": {_JSON: {"schema": reference("schemas", f"{self._names[resource.name]}Page")}},
        }
        return {
            "operationId": f"list{self._names[resource.name]}",
            "summary": f"List {resource.name}",
            "description": _listing(resource),
            "tags": [resource.name],
            "parameters": [*_filters(resource), *_parameters("Limit", "Cursor", "SortOrder")],
            "responses": {"200": answer} | self._refusals((*problems.READ, "invalid-query")),
        }

    def _get(self, resource: Resource) -> Json:
        cached = ("Age", "Cache-Status", "Cache-Control", "ETag", "X-Request-ID")
        responses = {
            "200": self._document_answer(resource, "The document.", *cached),
            "304": {"description": "The client's copy is current.", "headers": _headers(*cached)},
        }
        return {
            "operationId": f"get{self._names[resource.name]}",
            "summary": f"Read one of {resource.name}",
            "tags": [resource.name],
            "parameters": _parameters("IfMatch", "IfNoneMatch", "CacheControl"),
            "responses": responses
            | self._refusals((*problems.READ, "invalid-key", "not-found", "precondition-failed")),
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
        answers = {"204": {"description": "Deleted.", "headers": _headers(*_WRITTEN)}}
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
            answers = answers | {"202": _accepted()}
        return {
            "operationId": f"{verb}{self._names[resource.name]}",
            "summary": f"{summary} {resource.name}",
            "tags": [resource.name],
            "parameters": _parameters(*names),
            **body,
            "responses": answers | self._refusals(slugs),
        }

    # Parts

    def _key_component(self, resource: Resource, name: str) -> str:
        return f"{self._names[resource.name]}.{name}"

    def _refusals(self, slugs: tuple[str, ...]) -> Json:
        self._problems.update(problems.group(slugs).values())
        return _refusals(slugs)

    def _document_answer(self, resource: Resource, description: str, *headers: str) -> Json:
        name = self._names[resource.name]
        media: Json = {"schema": reference("schemas", name)}
        sample = self._example(name, self._schemas[name])
        if sample is not None:
            media["example"] = sample
        return {"description": description, "headers": _headers(*headers), "content": {_JSON: media}}

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


def _head(get: Json) -> Json:
    """The same without bodies."""
    answers = {
        status: _BARE_PROBLEM if "$ref" in answer else {word: answer[word] for word in ("description", "headers")}
        for status, answer in get["responses"].items()
    }
    return get | {"operationId": f"head{get['operationId'][0].upper()}{get['operationId'][1:]}", "responses": answers}


def _written_back(resource: Resource) -> bool:
    return resource.cache.strategy is CacheStrategy.WRITE_BACK


def _conditional(resource: Resource) -> tuple[str, ...]:
    return ("condition-not-supported",) if _written_back(resource) else ("precondition-failed",)


@lru_cache(maxsize=1)
def _operations() -> Json:
    """The path of accepted writes: the same in every document."""
    answer = {
        "description": "What became of the write.",
        "headers": _headers("Retry-After", "X-Request-ID"),
        "content": {_JSON: {"schema": reference("schemas", "Operation")}},
    }
    get = {
        "operationId": "getOperation",
        "summary": "Ask what became of an accepted write",
        "tags": ["operations"],
        "responses": {"200": answer} | _refusals(_OPERATION_PROBLEMS),
    }
    identity = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "The id of the operation.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "minLength": 1, "maxLength": 2200},
    }
    return {"parameters": [identity, *_parameters("RequestId")], "get": get, "head": _head(get)}


@lru_cache(maxsize=1)
def _accepted() -> Json:
    link = {
        "operationId": "getOperation",
        "parameters": {"id": "$response.body#/id"},
        "description": "What became of the write.",
    }
    return {
        "description": "Accepted: durably queued. `Location` is the operation to ask.",
        "headers": _headers("Location", "Preference-Applied", "Idempotency-Replayed", "X-Request-ID"),
        "content": {_JSON: {"schema": reference("schemas", "Operation")}},
        "links": {"GetOperation": link},
    }


def _key(resource: Resource, name: str) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"{name} of the document, percent-encoded.",
        "schema": schemas.key_schema(resource, name, in_path=True),
    }


def _indexes(resource: Resource) -> list[tuple[str, str | None]]:
    """(partition, sort) of the primary key and of each index."""
    return [
        (resource.key.partition, resource.key.sort),
        *((index.partition, index.sort) for index in resource.indexes),
    ]


def _listing(resource: Resource) -> str:
    ways = [f"`{partition}`" + (f" (and `{sort}`)" if sort else "") for partition, sort in _indexes(resource)]
    rest = "Without a filter, every document." if resource.list_.unfiltered else "A filter is required."
    text = f"Filter by {' or '.join(ways)}. {rest} Sorted by the second property where there is one, then by key."
    absent = [
        f" Documents without `{index.sort}` are not in a list by `{index.partition}` and `{index.sort}`."
        for index in resource.indexes
        if index.sort is not None and not resource.always_has(index.sort)
    ]
    return text + "".join(absent)


def _filters(resource: Resource) -> list[Json]:
    indexes = _indexes(resource)
    found: dict[str, Json] = {}
    for partition, sort in indexes:
        found.setdefault(partition, _filter(resource, partition, partition, f"{partition} is equal to this."))
        if sort is None:
            continue
        found.setdefault(sort, _filter(resource, sort, sort, f"{sort} is equal to this; needs {partition}."))
        for comparison, words in _COMPARISONS.items():
            name = f"{sort}.{comparison}"
            found.setdefault(name, _filter(resource, sort, name, f"{sort} is {words} this; needs {partition}."))
    return [parameter for name, parameter in found.items() if name not in LIST_PARAMETERS]


def _filter(resource: Resource, property_: str, name: str, description: str) -> Json:
    declared = resource.schema_.plain.properties[property_]
    schema: Json = {"type": declared.get("type", "string")}
    if schema["type"] == "string" and declared.get("format") in _MOMENTS:
        schema["format"] = declared["format"]
    elif schema["type"] == "integer":
        schema |= schemas.INT64
    return {"name": name, "in": "query", "description": description, "schema": schema}


@lru_cache(maxsize=64)
def _headers(*names: str) -> Json:
    """References to headers. A document refers to the same few again and again, and nobody changes them."""
    return {name: reference("headers", name) for name in names}


@lru_cache(maxsize=64)
def _parameters(*names: str) -> list[Json]:
    """References to parameters that every document has."""
    return [reference("parameters", name) for name in names]


@lru_cache(maxsize=256)  # of problems too: no document has any of its own
def _refusal(slugs: tuple[str, ...]) -> Json:
    """The shared response for problems of one status."""
    return problems.response(slugs, extra_headers=_headers("X-Request-ID"))


@lru_cache(maxsize=256)
def _refusals(slugs: tuple[str, ...]) -> Json:
    """References to the responses for `slugs`, by status."""
    grouped = problems.group(slugs)
    return {str(status): reference("responses", problems.component_name(names)) for status, names in grouped.items()}


def _header(description: str, example: str | int, *, required: bool = True) -> Json:
    schema: Json = {"type": "integer", "minimum": 0} if isinstance(example, int) else {"type": "string"}
    return {"description": description, "required": required, "schema": schema, "example": example}


def _parameter(name: str, place: str, description: str, schema: Json, **more: Any) -> Json:
    return {"name": name, "in": place, "description": description, "schema": schema, **more}


_BARE_PROBLEM: Json = {"description": "A problem, without its document.", "headers": _headers("X-Request-ID")}
_ETAG = '(W/)?"[!#-~]*"'
_ETAGS: Json = {
    "anyOf": [{"type": "string", "enum": ["*"]}, {"type": "string", "pattern": f"^{_ETAG}(, ?{_ETAG})*$"}],
}
_PARAMETERS: Json = {
    "Limit": _parameter(
        "limit",
        "query",
        "Most documents of the page.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    "Cursor": _parameter(
        "cursor", "query", "`next` of the page before; the other parameters stay the same.", {"type": "string"}
    ),
    "SortOrder": _parameter(
        "order", "query", "Ascending or descending.", {"type": "string", "enum": ["asc", "desc"], "default": "asc"}
    ),
    "RequestId": _parameter(
        "X-Request-ID",
        "header",
        "Id of the request in logs and answers, if it matches `[A-Za-z0-9._-]{1,128}`; else another one is made.",
        {"type": "string"},
    ),
    "IdempotencyKey": _parameter(
        "Idempotency-Key",
        "header",
        "Makes the write safe to repeat: once carried out, for 24 hours the same key gets the same answer. A refusal "
        "is decided again. Bare or quoted.",
        {"type": "string", "pattern": r'^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~][!-~]{0,254})$'},
    ),
    "IfMatch": _parameter(
        "If-Match",
        "header",
        "Go on only if the stored document has one of these ETags, or (*) there is one; else 412.",
        _ETAGS,
        example="*",
    ),
    "IfNoneMatch": _parameter(
        "If-None-Match", "header", "Answer 304 if the document has one of these ETags.", {"type": "string"}
    ),
    "IfNoneMatchToWrite": _parameter(
        "If-None-Match",
        "header",
        "Write only if the document has none of these ETags, or (*) does not exist; else 412. `If-Match` comes first.",
        _ETAGS,
        example='"1767225600000000"',
    ),
    "CacheControl": _parameter("Cache-Control", "header", "no-cache: ask the datastore.", {"type": "string"}),
    "Prefer": _parameter(
        "Prefer",
        "header",
        "respond-async: accept the write (202) instead of carrying it out (RFC 7240).",
        {"type": "string"},
    ),
}

_HEADERS: Json = {
    "ETag": _header("Version of the document, a strong entity tag.", '"1767225600000000"'),
    "Location": _header("Where the document, or the operation, is.", "/v1/operations/..."),
    "Age": _header("Seconds since the answer was read from the datastore.", 0),
    "Cache-Status": _header("What the cache did (RFC 9211).", "fairlead; hit; ttl=42"),
    "Cache-Control": _header("Keep a copy, but revalidate it.", "private, no-cache"),
    "Link": _header('The next page, rel="next"; absent on the last one.', '</v1/...>; rel="next"', required=False),
    "Preference-Applied": _header("The preference that was followed.", "respond-async", required=False),
    "Idempotency-Replayed": _header("The answer of an earlier request with this key.", "true", required=False),
    "Retry-After": _header("Seconds to wait before asking again, while Pending.", 1, required=False),
    "X-Request-ID": _header("Id of the request, in the log too.", "5f3c1b8e9a7d4c2fb1e0a6d3c8f7b290"),
}

_OPERATION: Json = {
    "type": "object",
    "description": "An accepted write.",
    "required": ["id", "status", "resource", "createdAt"],
    "properties": {
        "id": {"type": "string"},
        "status": {"type": "string", "enum": ["Pending", "Succeeded", "Failed"]},
        "resource": {"type": "string", "description": "Path of the document."},
        "createdAt": {"type": "string", "format": "date-time"},
        "error": reference("schemas", "Problem") | {"description": "Why it failed."},
    },
}
