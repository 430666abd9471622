"""Every problem that a client can receive, as one table of functions. docs/problems.md documents each type.

Slugs, status codes and titles follow RFC 9457. A detail never holds text of a foreign exception.
"""

from typing import Any

from fairlead_contract.names import TYPE_BASE as TYPE_BASE
from fairlead_workload.errors import Problem

FieldError = dict[str, Any]  # {"pointer": RFC 6901, "detail": text}


def bad_request(detail: str, *, errors: tuple[FieldError, ...] = ()) -> Problem:
    return Problem("bad-request", 400, "The request is malformed", detail, errors=errors)


def malformed_json(detail: str) -> Problem:
    return Problem("malformed-json", 400, "The body is not valid JSON", detail)


def invalid_key(detail: str) -> Problem:
    return Problem("invalid-key", 400, "The key in the URL is not valid", detail)


def invalid_query(
    detail: str, *, errors: tuple[FieldError, ...] = (), indexes: list[dict[str, Any]] | None = None
) -> Problem:
    extra = {} if indexes is None else {"indexes": indexes}
    return Problem("invalid-query", 400, "The query is not supported", detail, errors=errors, extra=extra)


def condition_not_supported() -> Problem:
    return Problem(
        "condition-not-supported",
        400,
        "Conditions are not supported here",
        "This resource is written back from its cache; leave If-Match and If-None-Match out.",
    )


def not_found(detail: str = "There is no such document.") -> Problem:
    return Problem("not-found", 404, "Not found", detail)


def method_not_allowed(allow: str) -> Problem:
    return Problem(
        "method-not-allowed", 405, "Method not allowed", f"Allowed here: {allow}.", headers=(("allow", allow),)
    )


def not_acceptable() -> Problem:
    return Problem("not-acceptable", 406, "Not acceptable", "Documents are served as application/json.")


def request_timeout() -> Problem:
    return Problem(
        "request-timeout", 408, "The request took too long to arrive", None, headers=(("connection", "close"),)
    )


def already_exists() -> Problem:
    return Problem("already-exists", 409, "The document exists already", "Use PUT with If-Match to change it.")


def conflict() -> Problem:
    return Problem(
        "conflict", 409, "The document kept changing", "Other writers changed the document at the same time; try again."
    )


def idempotency_in_progress() -> Problem:
    return Problem(
        "idempotency-in-progress",
        409,
        "A request with this Idempotency-Key is in progress",
        "Repeat the request after a moment to get its answer.",
        headers=(("retry-after", "1"),),
    )


def operation_gone() -> Problem:
    return Problem("operation-gone", 410, "The operation is no longer known", "Its record has expired.")


def precondition_failed(version: int | None) -> Problem:
    detail = "The document does not exist." if version is None else f'The document exists, with the ETag "{version}".'
    return Problem("precondition-failed", 412, "Precondition failed", detail)


def precondition_failed_by_tag(current: str | None) -> Problem:
    detail = "There is no ETag here." if current is None else f"The ETag is {current}."
    return Problem("precondition-failed", 412, "Precondition failed", detail)


def body_too_large(limit: int) -> Problem:
    return Problem(
        "body-too-large",
        413,
        "The body is too large",
        f"At most {limit} bytes are taken.",
        headers=(("connection", "close"),),
    )


def uri_too_long(limit: int) -> Problem:
    return Problem("uri-too-long", 414, "The URL is too long", f"At most {limit} bytes are taken.")


def unsupported_media_type(accepted: tuple[str, ...], *, field: str = "accept", detail: str | None = None) -> Problem:
    """`field` is the one that lists what is accepted: `accept`, or `accept-patch` (RFC 5789)."""
    return Problem(
        "unsupported-media-type",
        415,
        "Unsupported media type",
        detail or f"Send {' or '.join(accepted)}.",
        headers=((field, ", ".join(accepted)),),
    )


def unsupported_coding(accepted: tuple[str, ...]) -> Problem:
    detail = f"Send the body without Content-Encoding, or with one of {', '.join(accepted)}."
    return unsupported_media_type(accepted, field="accept-encoding", detail=detail)


def invalid_document(errors: tuple[FieldError, ...]) -> Problem:
    return Problem("invalid-document", 422, "The document does not fit its schema", None, errors=errors)


def reference_not_found(errors: tuple[FieldError, ...]) -> Problem:
    return Problem("reference-not-found", 422, "The document refers to one that does not exist", None, errors=errors)


def idempotency_mismatch() -> Problem:
    return Problem(
        "idempotency-mismatch",
        422,
        "The Idempotency-Key was used with another request",
        "Use a new key for a new request.",
    )


def header_fields_too_large(limit: int) -> Problem:
    return Problem(
        "header-fields-too-large", 431, "The header fields are too large", f"At most {limit} bytes are taken."
    )


def internal_error() -> Problem:
    return Problem("internal-error", 500, "Internal error", "The error is in the log under this request id.")


def dependency_refused(dependency: str) -> Problem:
    return Problem(
        "dependency-refused",
        500,
        "A dependency refused the request",
        f"The {dependency} does not take this request; nothing was changed. The reason is in the log.",
        extra={"dependency": dependency},
    )


def not_applied(error_class: str) -> Problem:
    """The `error` of an operation whose event is a dead letter."""
    return Problem(
        "not-applied",
        500,
        "The write could not be applied",
        "It was set aside for a person to look at, and may still be applied.",
        extra={"errorClass": error_class},
    )


def unavailable(dependency: str, *, full: bool = False) -> Problem:
    """`full`: it cannot write, because its disk has no room."""
    reason = f"The disk of the {dependency} is full" if full else f"The {dependency} is not available"
    return Problem(
        "unavailable",
        503,
        "A dependency is not available",
        f"{reason}; nothing was changed. Try again later.",
        headers=(("retry-after", "2"),),
        extra={"dependency": dependency},
    )


def body(problem: Problem, *, instance: str | None = None, request_id: str | None = None) -> dict[str, Any]:
    """The problem as its JSON object. Members that are None are left out."""
    document: dict[str, Any] = {"type": TYPE_BASE + problem.type, "title": problem.title, "status": problem.status}
    if problem.detail is not None:
        document["detail"] = problem.detail
    if instance is not None:
        document["instance"] = instance
    if request_id is not None:
        document["requestId"] = request_id
    if problem.errors:
        document["errors"] = list(problem.errors)
    return document | problem.extra
