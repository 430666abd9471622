"""Which problems each operation may answer, and how they stand in the OpenAPI document.

Each combination of types under one status has one shared response.
"""

from functools import lru_cache

from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.openapi.headers import header_references
from fairlead_contract.openapi.schemas import reference
from fairlead_contract.problems import BY_SLUG, ProblemType

HEAD = ("bad-request", "uri-too-long", "header-fields-too-large")
BACKEND = ("internal-error", "dependency-refused", "unavailable")
READ = (*HEAD, "not-acceptable", *BACKEND)
BODY = (
    "not-acceptable",
    "malformed-json",
    "request-timeout",
    "body-too-large",
    "unsupported-media-type",
    "invalid-document",
)
WRITE = (*HEAD, "conflict", "idempotency-in-progress", "idempotency-mismatch", *BACKEND)

PROBLEM_SCHEMA: Json = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "What happened; stable. A path of this service, with a page about it.",
        },
        "title": {"type": "string", "description": "What happened, for people."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status."},
        "detail": {"type": "string", "description": "This occurrence, for people."},
        "instance": {"type": "string", "description": "Path of the request."},
        "requestId": {"type": "string", "description": "X-Request-ID of the answer."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "Place in the body, a JSON Pointer (RFC 6901)."},
                    "parameter": {"type": "string", "description": "Name of the query parameter."},
                    "detail": {"type": "string", "description": "What is wrong there."},
                },
            },
        },
        "indexes": {
            "type": "array",
            "description": "The indexes by which the collection can be filtered.",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "partition": {"type": "string"},
                    "sort": {"type": ["string", "null"]},
                },
            },
        },
        "dependency": {"type": "string", "description": "The dependency that is not available."},
        "errorClass": {"type": "string", "description": "Why the write of an operation could not be applied."},
    },
}


@lru_cache(maxsize=256)  # there are few combinations, and every document asks for them all
def component_name(slugs: tuple[str, ...]) -> str:
    """Such as `409-already-exists.conflict`."""
    return f"{BY_SLUG[slugs[0]].status}-{'.'.join(slugs)}"


@lru_cache(maxsize=256)
def group(slugs: tuple[str, ...]) -> dict[int, tuple[str, ...]]:
    """`slugs` by status, both in the order of the table."""
    by_status: dict[int, list[str]] = {}
    for slug, problem in BY_SLUG.items():
        if slug in slugs:
            by_status.setdefault(problem.status, []).append(slug)
    return {status: tuple(names) for status, names in by_status.items()}


@lru_cache(maxsize=256)
def responses(slugs: tuple[str, ...]) -> Json:
    """References to the shared responses for `slugs`, by status."""
    return {str(status): reference("responses", component_name(names)) for status, names in group(slugs).items()}


@lru_cache(maxsize=256)  # no document has problems of its own
def response(slugs: tuple[str, ...]) -> Json:
    """The shared response for problems of one status."""
    types = [BY_SLUG[slug] for slug in slugs]
    headers = dict(header_references("X-Request-ID"))
    for problem in types:
        headers |= {name: _header(name, always=len(types) == 1) for name in problem.headers}
        headers |= {name: _header(name, always=False) for name in problem.alternatives}
    # The examples name the types: client generators accept no keywords beside a reference.
    return {
        "description": "\n".join(f"`{problem.slug}`: {problem.cause}" for problem in types),
        "headers": headers,
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {problem.slug: {"value": _example(problem)} for problem in types},
            }
        },
    }


def _header(name: str, *, always: bool) -> Json:
    schema: Json = {"type": "integer", "minimum": 0} if name == "Retry-After" else {"type": "string"}
    about = "Seconds to wait before the next attempt." if name == "Retry-After" else f"{name} (RFC 9110)."
    return {"description": about, "required": always, "schema": schema}


def _example(problem: ProblemType) -> Json:
    return {"type": problem.uri, "title": problem.title, "status": problem.status, "detail": problem.cause}
