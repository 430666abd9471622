"""What we add to schemathesis: a request that fits the OpenAPI document is taken, unless a problem says why not.

OpenAPI cannot say that parameters exclude each other, nor what is stored. Those answers differ by their problem
type, so that a 422 for a document that fits its schema is still a failure. Nor can it say that a request with a known
Idempotency-Key is answered once more and not done again, so each key is sent once; nor that an accepted DELETE is done
later than it is answered.
"""

import uuid

import schemathesis
from schemathesis import GenerationMode

# What is stored decides.
STATE = {
    "precondition-failed",
    "idempotency-mismatch",
    "idempotency-in-progress",
    "reference-not-found",
    "already-exists",
    "conflict",
    "not-found",
    "operation-gone",
}
sent_keys: set[str] = set()
accepted: set[str] = set()  # cases whose writes are done later than they were answered


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    """Take another key where one was sent before: a DELETE that is answered as before deletes nothing this time."""
    for name, value in (case.headers or {}).items():
        if name.lower() == "idempotency-key" and value in sent_keys:
            case.headers[name] = str(uuid.uuid4())
        elif name.lower() == "idempotency-key":
            sent_keys.add(value)


@schemathesis.hook
def after_call(context, case, response) -> None:
    if response.status_code == 202:
        accepted.add(case.id)


@schemathesis.hook
def filter_failure(context, failure, case, response) -> bool:
    """Whether it is one: while a DELETE is accepted and not done yet, what it deletes may be read."""
    return getattr(failure, "deleted_case_id", None) not in accepted


def combination(slug, problem, case) -> bool:
    """Whether the problem is about parameters that are valid one by one."""
    if slug == "bad-request":
        return {"if-match", "if-none-match"} <= {name.lower() for name in case.headers or {}}
    if slug == "invalid-document":  # a key that may be read, but under which nothing may be created
        return {error["pointer"] for error in problem["errors"]} <= {f"/{name}" for name in case.path_parameters or {}}
    if slug == "invalid-query":
        return all(error["parameter"] == "cursor" for error in problem.get("errors", ()))
    return slug == "malformed-json" and in_text_only(case.body)


def in_text_only(value) -> bool:
    """Whether `value` holds an integer beyond 64 bit, which no schema refuses in properties that it does not name."""
    if isinstance(value, dict):
        return any(map(in_text_only, value.values()))
    if isinstance(value, list):
        return any(map(in_text_only, value))
    return isinstance(value, int) and not -(2**63) <= value < 2**63


@schemathesis.check
def takes_valid_requests(ctx, response, case) -> None:
    """A valid request is answered with success, or with a problem that validity cannot prevent."""
    positive = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if not positive or response.status_code < 400 or case.method == "HEAD":
        return  # an answer to HEAD has no body that could say why; GET is asked the same
    problem = response.json()
    slug = problem["type"].rpartition("/")[2]
    if slug not in STATE and not combination(slug, problem, case):
        raise AssertionError(f"a valid request was answered with {response.status_code} {slug}")


@schemathesis.check
def answers_with_problems_of_the_document(ctx, response, case) -> None:
    """A problem is one of those that the operation's answer of this status shows."""
    described = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    if "application/problem+json" not in str(response.headers.get("content-type")) or "$ref" not in described:
        return  # an undescribed status is for the built-in checks
    answer = case.operation.schema.raw_schema["components"]["responses"][described["$ref"].rpartition("/")[2]]
    shown = {example["value"]["type"] for example in answer["content"]["application/problem+json"]["examples"].values()}
    if response.json()["type"] not in shown:
        raise AssertionError(f"{response.json()['type']} is none of {sorted(shown)}")
