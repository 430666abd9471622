"""Accepted writes in the OpenAPI document: the answer 202, and the operation that it leads to. Pure.

They are the same in every document, so they are made once.
"""

from functools import lru_cache

from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.openapi import problems
from fairlead_contract.openapi.head import head_of
from fairlead_contract.openapi.headers import header_references
from fairlead_contract.openapi.parameters import parameter_references
from fairlead_contract.openapi.schemas import reference

_JSON = "application/json"

OPERATION_PROBLEMS = (*problems.READ, "not-found", "operation-gone")
OPERATION_SCHEMA: Json = {
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


@lru_cache(maxsize=1)
def operation_path() -> Json:
    """The path of accepted writes: the same in every document."""
    answer = {
        "description": "What became of the write.",
        "headers": header_references("Retry-After", "X-Request-ID"),
        "content": {_JSON: {"schema": reference("schemas", "Operation")}},
    }
    get = {
        "operationId": "getOperation",
        "summary": "Ask what became of an accepted write",
        "tags": ["operations"],
        "responses": {"200": answer} | problems.responses(OPERATION_PROBLEMS),
    }
    identity = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "The id of the operation.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "minLength": 1, "maxLength": 2200},
    }
    return {"parameters": [identity, *parameter_references("RequestId")], "get": get, "head": head_of(get)}


@lru_cache(maxsize=1)
def accepted_response() -> Json:
    """The answer 202, with a link to the operation."""
    link = {
        "operationId": "getOperation",
        "parameters": {"id": "$response.body#/id"},
        "description": "What became of the write.",
    }
    return {
        "description": "Accepted: durably queued. `Location` is the operation to ask.",
        "headers": header_references("Location", "Preference-Applied", "Idempotency-Replayed", "X-Request-ID"),
        "content": {_JSON: {"schema": reference("schemas", "Operation")}},
        "links": {"GetOperation": link},
    }
