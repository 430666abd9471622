"""Every problem type (RFC 9457) that a client can receive: slug, status, title, when it comes and what to do.

The OpenAPI document and docs/problems.md are made from the table; a test compares it with what the workload raises.
Slugs are stable; a new situation gets a new one.
"""

from dataclasses import dataclass

from fairlead_contract.names import TYPE_BASE as TYPE_BASE


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One type of problem. `cause` and `remedy` are sentences for people.

    `headers` are sent with it, and one of `alternatives`.
    """

    slug: str
    status: int
    title: str
    cause: str
    remedy: str
    headers: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        """The `type` member."""
        return TYPE_BASE + self.slug


PROBLEMS = (
    ProblemType(
        "bad-request",
        400,
        "The request is malformed",
        "A header field has a value that cannot be read, or the request is no valid HTTP.",
        "Correct what `detail` and `errors` name.",
    ),
    ProblemType(
        "malformed-json",
        400,
        "The body is not valid JSON",
        "The body is empty, is not JSON (RFC 8259) in UTF-8, repeats a name, nests too deeply, or holds U+0000 or a "
        "number that does not fit 64 bits.",
        "Send one JSON object; `detail` says where the body breaks.",
    ),
    ProblemType(
        "invalid-key",
        400,
        "The key in the URL is not valid",
        "The key is not of the type that the resource declares, is longer than 255 bytes, or holds control characters.",
        "Use the key as the service returned it, percent-encoded.",
    ),
    ProblemType(
        "invalid-query",
        400,
        "The query is not supported",
        "The list has a filter without an index, a filter without a value of its type, a foreign cursor, a limit out "
        "of range, or no filter where one is needed.",
        "Filter by one of the `indexes` that the problem names; take cursors from `next` only.",
    ),
    ProblemType(
        "condition-not-supported",
        400,
        "Conditions are not supported here",
        "`If-Match` or `If-None-Match` came with a write to a resource that is written back from its cache.",
        "Leave both out; only the datastore could decide them.",
    ),
    ProblemType(
        "not-found",
        404,
        "Not found",
        "There is no document, operation or resource at the URL.",
        "Check the URL; a document accepted with 202 is there once its operation has succeeded.",
    ),
    ProblemType(
        "method-not-allowed",
        405,
        "Method not allowed",
        "The resource does not offer this method.",
        "Use one of the methods in the `Allow` field.",
        ("Allow",),
    ),
    ProblemType(
        "not-acceptable",
        406,
        "Not acceptable",
        "The `Accept` field excludes the media types that the service has.",
        "Accept `application/json`.",
    ),
    ProblemType(
        "request-timeout",
        408,
        "The request took too long to arrive",
        "The request head or the body was not complete in time.",
        "Send the request again, on a new connection.",
        ("Connection",),
    ),
    ProblemType(
        "already-exists",
        409,
        "The document exists already",
        "A document with this key is there.",
        "Change it with PUT or PATCH, or choose another key.",
    ),
    ProblemType(
        "conflict",
        409,
        "The document kept changing",
        "Writers of one document take turns; this request had none within ten seconds, or was outrun by other "
        "processes for as long. Nothing was changed.",
        "Try again; spread what is written so often over several documents.",
    ),
    ProblemType(
        "idempotency-in-progress",
        409,
        "A request with this Idempotency-Key is in progress",
        "The same request is being handled at this moment, or was when its server ended, less than half a minute ago. "
        "(A server with embedded bindings knows at its start that the former one is gone.)",
        "Repeat the request after `Retry-After` seconds to get its answer.",
        ("Retry-After",),
    ),
    ProblemType(
        "operation-gone",
        410,
        "The operation is no longer known",
        "The record of the operation has expired.",
        "Read the document that the operation was about.",
    ),
    ProblemType(
        "precondition-failed",
        412,
        "Precondition failed",
        "`If-Match` names another ETag than the document has, or `If-None-Match` of a write names the one it has (`*`: "
        "any). Nothing was changed.",
        "Read the document, decide again, and send its present ETag.",
    ),
    ProblemType(
        "body-too-large",
        413,
        "The body is too large",
        "The body has more bytes than the service takes.",
        "Send at most the number of bytes in `detail`; `spec.security.maxBodyBytes` sets it.",
        ("Connection",),
    ),
    ProblemType(
        "uri-too-long",
        414,
        "The URL is too long",
        "Path and query have more bytes than the service takes.",
        "Send at most the number of bytes in `detail`.",
    ),
    ProblemType(
        "unsupported-media-type",
        415,
        "Unsupported media type",
        "The body's `Content-Type` or `Content-Encoding` is not one that is taken, or the charset is not UTF-8.",
        "Use what `detail` and the header field name.",
        alternatives=("Accept", "Accept-Patch", "Accept-Encoding"),
    ),
    ProblemType(
        "invalid-document",
        422,
        "The document does not fit its schema",
        "The document breaks its JSON Schema, names another key than the URL, or sets a read-only property.",
        "Correct every entry of `errors`; each has a JSON Pointer and a reason.",
    ),
    ProblemType(
        "reference-not-found",
        422,
        "The document refers to one that does not exist",
        "A property holds the key of a document that is not there.",
        "Create that document first, or correct the properties in `errors`.",
    ),
    ProblemType(
        "idempotency-mismatch",
        422,
        "The Idempotency-Key was used with another request",
        "The key belongs to a request with another body or target, in the last 24 hours.",
        "Use a new key for a new request.",
    ),
    ProblemType(
        "header-fields-too-large",
        431,
        "The header fields are too large",
        "The header fields have more bytes, or are more, than the service takes.",
        "Send fewer or shorter header fields, cookies first.",
    ),
    ProblemType(
        "internal-error",
        500,
        "Internal error",
        "The service has a fault.",
        "Tell the operators of the service the `requestId`; the log has the rest under it.",
    ),
    ProblemType(
        "dependency-refused",
        500,
        "A dependency refused the request",
        "The datastore or the queue answers, and says no for good. Nothing was changed.",
        "Tell the operators of the service the `requestId`; trying again does not help.",
    ),
    ProblemType(
        "not-applied",
        500,
        "The write could not be applied",
        "An accepted write could not be applied, and its event is a dead letter; only operations have this `error`.",
        "Tell the operators of the service the operation's `id`; they may still have it applied.",
    ),
    ProblemType(
        "unavailable",
        503,
        "A dependency is not available",
        "The datastore, the queue or another dependency does not answer, its disk is full, or the service is shutting "
        "down. Nothing was changed.",
        "Try again after `Retry-After` seconds; give writes an `Idempotency-Key`.",
        ("Retry-After",),
    ),
)
BY_SLUG = {problem.slug: problem for problem in PROBLEMS}


_INTRODUCTION = f"""# Problems

Every error that the API answers is a problem document (RFC 9457), `application/problem+json`:

```json
{{
  "type": "{TYPE_BASE}invalid-document",
  "title": "The document does not fit its schema",
  "status": 422,
  "instance": "/v1/orders",
  "requestId": "5f3c1b8e9a7d4c2fb1e0a6d3c8f7b290",
  "errors": [{{"pointer": "/quantity", "detail": "0 is less than the minimum of 1"}}]
}}
```

`type` is stable and says what happened. It is a path of the service that answered, which has a page for each type, and
the list at `/problems`; they work offline, and on the admin port too. `detail` is for people and may change. `errors`,
where there are any, name places in the body by JSON Pointer (RFC 6901), or query parameters. `requestId` is the
`X-Request-ID` of the answer; the log has more under it. The problem of an accepted write is the `error` of its
operation.

A request that is no HTTP at all may be answered by a closed connection, or by an empty 400, instead.

| type | status | title |
|---|---|---|
"""


def markdown() -> str:
    """The text of docs/problems.md."""
    rows = [f"| [`{problem.slug}`](#{problem.slug}) | {problem.status} | {problem.title} |" for problem in PROBLEMS]
    return _INTRODUCTION + "\n".join(rows) + "\n" + "".join(map(_section, PROBLEMS))


def _section(problem: ProblemType) -> str:
    text = f"\n## {problem.slug}\n\nStatus {problem.status}: {problem.title}.\n\n"
    text += f"- When: {problem.cause}\n- What to do: {problem.remedy}\n"
    if problem.headers:
        text += f"- Header fields: {', '.join(f'`{name}`' for name in problem.headers)}\n"
    if problem.alternatives:
        text += f"- One of the header fields: {', '.join(f'`{name}`' for name in problem.alternatives)}\n"
    return text
