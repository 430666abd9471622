"""Parameters of requests in the OpenAPI document: those that every service has, and the keys in paths. Pure."""

from functools import lru_cache
from typing import Any

from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.openapi import schemas
from fairlead_contract.openapi.schemas import reference
from fairlead_contract.spec.api import Resource

MAX_LIMIT, DEFAULT_LIMIT = 200, 50


@lru_cache(maxsize=64)
def parameter_references(*names: str) -> list[Json]:
    """References to parameters that every document has."""
    return [reference("parameters", name) for name in names]


def key_parameter(resource: Resource, name: str) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"{name} of the document, percent-encoded.",
        "schema": schemas.key_schema(resource, name, in_path=True),
    }


def _parameter(name: str, place: str, description: str, schema: Json, **more: Any) -> Json:
    return {"name": name, "in": place, "description": description, "schema": schema, **more}


_ETAG = '(W/)?"[!#-~]*"'


_ETAGS: Json = {
    "anyOf": [{"type": "string", "enum": ["*"]}, {"type": "string", "pattern": f"^{_ETAG}(, ?{_ETAG})*$"}],
}


PARAMETERS: Json = {
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
