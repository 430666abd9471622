"""Which error an answer of the API server is.

Separates what is refused for its content from what a rule refuses that may change: codes alone do not.
"""

import re
from typing import Any

from fairlead_operator.errors import BY_CODE, ApiError, Forbidden, Invalid, Terminating

# An apply with a field that the kind does not have. The server says so as if it had failed itself.
UNTYPED = "failed to create typed patch object"
# A ValidatingAdmissionPolicy answers 422 unless it says otherwise, and a webhook what it likes.
DENIED = re.compile(r"\bValidatingAdmissionPolicy '|\badmission webhook \"")


def error_of(request: str, code: int, body: dict[str, Any], retry_after: str) -> ApiError:
    """The typed error of a Status that the API server gave. `retry_after` is the header's value, or empty."""
    message = str(body.get("message", ""))
    return _kind(code, body, message)(
        request,
        code=code,
        reason=str(body.get("reason", "")),
        message=message,
        retry_after_seconds=float(retry_after) if retry_after.isdigit() else 0.0,
    )


def _kind(code: int, body: dict[str, Any], message: str) -> type[ApiError]:
    causes = (body.get("details") or {}).get("causes") or ()
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return Terminating
    if code == 500 and UNTYPED in message:
        return Invalid
    kind = BY_CODE.get(code, ApiError)
    return Forbidden if kind is Invalid and DENIED.search(message) else kind
