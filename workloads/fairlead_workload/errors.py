"""The workload's error tree. Adapters convert foreign exceptions here, once; nothing above them knows a driver.

FairleadError
├── Problem                 the error answer to a client (RFC 9457); `problems.py` in `model` holds the known types
├── Conflict                a precondition of a commit did not hold; nothing was written
├── DependencyError         a store, cache, queue or service could not do its part
│   ├── Unavailable         not reachable, timed out, overloaded: try again later
│   │   └── DiskFull        it cannot write, because its disk has no room
│   └── Refused             reachable, and says no for good (4xx, constraint): trying again does not help
│       └── Unstorable      a store cannot hold a value of a document; carries its property
└── Misconfigured           the runtime document or the machine cannot be served; carries path and remedy

A reason names what is to be corrected (docs/postgresql.md has those of PostgreSQL).
"""

from enum import StrEnum
from typing import Any, Self

from fairlead_contract.findings import Finding


class FairleadError(Exception):
    """Root of every error of the workload."""


class Problem(FairleadError):
    """A problem document (RFC 9457) on its way to the client."""

    def __init__(
        self,
        type_: str,
        status: int,
        title: str,
        detail: str | None = None,
        *,
        errors: tuple[dict[str, Any], ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or title)
        self.type = type_  # the slug in docs/problems.md, such as "not-found"
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors  # {"pointer": "/quantity", "detail": "..."}; pointer as RFC 6901
        self.headers = headers
        self.extra = extra or {}


class ConflictKind(StrEnum):
    EXISTS = "exists"  # a document was to be absent
    MISSING = "missing"  # a document was to be present
    VERSION = "version"  # a document has another version
    REFERENCE = "reference"  # a required document is absent
    RECORD = "record"  # a record's condition did not hold


class Conflict(FairleadError):
    """A precondition of a unit did not hold. Nothing of the unit was written."""

    def __init__(self, kind: ConflictKind, subject: str, *, position: int = 0, version: int | None = None) -> None:
        super().__init__(f"{kind}: {subject}")
        self.kind = kind
        self.subject = subject  # "orders/KEY" or "space/id"
        self.position = position  # index in the unit's mutations, requires or records
        self.version = version  # version found, for VERSION


class DependencyError(FairleadError):
    """A dependency could not do its part. `dependency` is datastore, cache, queue or a service's name.

    `reason`, where it is known, is stable and documented: what somebody has to correct.
    """

    def __init__(self, dependency: str, message: str, *, reason: str = "") -> None:
        super().__init__(f"{dependency}: {message}")
        self.dependency = dependency
        self.message = message
        self.reason = reason

    def copy(self) -> Self:
        """The same error once more, for another caller: each adds its traceback to its own."""
        copied = type(self).__new__(type(self))
        copied.args = self.args
        copied.__dict__.update(self.__dict__)
        return copied


def own_copy(error: Exception) -> Exception:
    """What one of several callers is to raise; an error of no dependency is a defect, and shared as it is."""
    return error.copy() if isinstance(error, DependencyError) else error


class Unavailable(DependencyError):
    """Not reachable, timed out or overloaded. Trying again later may help."""


class DiskFull(Unavailable):
    """It cannot write, because its disk has no room. It goes on by itself when there is some."""


class Refused(DependencyError):
    """Reachable, and says no for good. Trying again does not help."""


class Unstorable(Refused):
    """A value that the store cannot hold. `property` is the document's that has it, `why` what is wrong with it."""

    def __init__(self, resource: str, property_: str, why: str) -> None:
        super().__init__("datastore", f"{resource}: {property_!r} {why}")
        self.property = property_
        self.why = why


class Misconfigured(FairleadError):
    """The runtime document, or the machine it runs on, cannot be served."""

    def __init__(self, path: str, message: str, remedy: str = "", *, reason: str = "") -> None:
        super().__init__(f"{path}: {message}" + (f" ({remedy})" if remedy else ""))
        self.path = path
        self.message = message
        self.remedy = remedy
        self.reason = reason

    @property
    def finding(self) -> Finding:
        """The same as a finding, as checks of a document report it."""
        return Finding(self.path, self.message, remedy=self.remedy)
