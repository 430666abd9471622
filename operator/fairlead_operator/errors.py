"""What can go wrong between the operator and the API server, as one tree.

    OperatorError
      Unreachable        no answer: refused, reset, or out of time
      Outdated           a write was stopped: it was based on an old version of the resource
      Refused            the API server refuses children
      NotLeading         a write was stopped: this replica does not hold the lease
      ApiError           the server answered with an error
        NotFound, Conflict, Gone, Invalid, Unauthorized
        Forbidden        a rule of RBAC, admission or quota refuses; it may change at any time
          Terminating    the namespace is being deleted and takes nothing new

Foreign exceptions are converted once, in `kube.client`.
"""


class OperatorError(Exception):
    """Anything below is one of these."""


class Unreachable(OperatorError):
    """No answer came; whether the request had an effect is unknown."""


class Outdated(OperatorError):
    """What is known of a resource is not what it is now; nothing was sent."""


class Refused(OperatorError):
    """The API server refuses children; the status says why, and the text names them.

    `is_final`: it refuses them for what they are, so that nothing changes before they do.
    """

    def __init__(self, text: str, *, is_final: bool) -> None:
        super().__init__(text)
        self.is_final = is_final


class NotLeading(OperatorError):
    """The lease is not held, or about to run out; nothing was sent."""


class ApiError(OperatorError):
    """The server's answer: HTTP status, its reason and message, and the wait it asked for."""

    def __init__(self, request: str, *, code: int, reason: str, message: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(f"{request}: {code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class NotFound(ApiError):
    """404: the object, or its kind, is not there."""


class Conflict(ApiError):
    """409: an unowned object has the name, the object changed, or it has another uid."""


class Gone(ApiError):
    """410: the resource version or the continue token is too old; list again."""


class Forbidden(ApiError):
    """403, or what an admission rule answers instead: a rule of RBAC, of admission or of a quota refused."""


class Terminating(Forbidden):
    """403: the namespace is being deleted; nothing can be created in it any more."""


class Invalid(ApiError):
    """The manifest itself is refused, mostly by 400 or 422; trying again without a change is of no use."""


class Unauthorized(ApiError):
    """401: the credentials are no longer good."""


BY_CODE: dict[int, type[ApiError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: Invalid,
    422: Invalid,
}
