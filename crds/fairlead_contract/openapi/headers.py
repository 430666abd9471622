"""Header fields of answers in the OpenAPI document. Pure."""

from functools import lru_cache

from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.openapi.schemas import reference


@lru_cache(maxsize=64)
def header_references(*names: str) -> Json:
    """References to headers. A document has the same few many times; they are never changed."""
    return {name: reference("headers", name) for name in names}


def _header(description: str, example: str | int, *, required: bool = True) -> Json:
    schema: Json = {"type": "integer", "minimum": 0} if isinstance(example, int) else {"type": "string"}
    return {"description": description, "required": required, "schema": schema, "example": example}


HEADERS: Json = {
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
