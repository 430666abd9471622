"""Our own check for schemathesis: a request that fits the OpenAPI document is taken, unless a problem says why not.

OpenAPI cannot say that parameters exclude each other, nor what is stored. Those answers are told apart by their problem
type, so that a 422 for a document that fits its schema is still a failure.
"""

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


def combination(slug, problem, case) -> bool:
    """Whether the problem is about parameters that are valid one by one."""
    if slug == "bad-request":
        return {"if-match", "if-none-match"} <= {name.lower() for name in case.headers or {}}
    if slug == "invalid-document":  # a key that may be read, but under which nothing may be created
        return {error["pointer"] for error in problem["errors"]} <= {f"/{name}" for name in case.path_parameters or {}}
    if slug == "invalid-query":
        return all(error["parameter"] == "cursor" for error in problem.get("errors", ()))
    return slug == "malformed-json" and in_words_only(case.body)


def in_words_only(value) -> bool:
    """Whether `value` holds an integer beyond 64 bit, which no schema refuses in properties that it does not name."""
    if isinstance(value, dict):
        return any(map(in_words_only, value.values()))
    if isinstance(value, list):
        return any(map(in_words_only, value))
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
