"""The runtime document as a file: read, checked, and refused by name where this image cannot do what it says.

The version is looked at first, because a newer document may look like anything; then the shape, then whether every
binding and field is served. Whatever is refused names its field and a remedy.
"""

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from fairlead_contract.crd.structural_schema import structural
from fairlead_contract.findings import Finding, error
from fairlead_contract.runtime import RUNTIME_VERSION, RuntimeDocument
from fairlead_contract.validation.rules import unserved
from fairlead_contract.validation.structure import parse as parse_shape
from fairlead_workload import adapters
from fairlead_workload.service import Role

MAX_BYTES = 1024 * 1024  # a ConfigMap holds no more
_REMEDY = "it is the operator that writes it; look at the ConfigMap that is mounted here"


class InvalidRuntimeDocument(Exception):
    """The document cannot be used; `findings` says why, at least once."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("; ".join(f"{each.path}: {each.message}" for each in findings))
        self.findings = findings


def read(path: Path) -> RuntimeDocument:
    """The runtime document in `path`. Raises Refused."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as failure:
        reason = os.strerror(failure.errno) if failure.errno else str(failure)
        raise InvalidRuntimeDocument([Finding(str(path), f"cannot be read: {reason}", remedy=_REMEDY)]) from None
    if len(data) > MAX_BYTES:
        raise InvalidRuntimeDocument(
            [Finding(str(path), f"has more than {MAX_BYTES} bytes", remedy="split the ApiService")]
        )
    return parse(data)


def parse(data: bytes) -> RuntimeDocument:
    """The document in `data`. Raises Refused."""
    try:
        document: Any = from_json(data, allow_inf_nan=False)
    except ValueError as failure:
        raise InvalidRuntimeDocument([error((), f"the runtime document is not JSON: {failure}", _REMEDY)]) from None
    if not isinstance(document, dict):
        raise InvalidRuntimeDocument([error((), "the runtime document is not an object", _REMEDY)])
    _require_known_version(document.get("version"))
    try:
        return RuntimeDocument.model_validate_json(data, strict=True, by_alias=True, by_name=False)
    except ValidationError as failure:
        # The findings are those of a resource. They need a schema, which a valid document does not.
        schema = structural(RuntimeDocument, without=("version",))
        _, faults = parse_shape(document, RuntimeDocument, schema)
        findings = [finding for _, finding in faults]
        raise InvalidRuntimeDocument(findings or [error((), str(failure), _REMEDY)]) from None


def _require_known_version(version: Any) -> None:
    if version is None:
        raise InvalidRuntimeDocument([error(("version",), "required field `version` is missing", _REMEDY)])
    if isinstance(version, bool) or version != RUNTIME_VERSION:
        shown = str(version)[:40]
        message = f"{shown} is not known, this image knows {RUNTIME_VERSION}"
        remedy = "use a workload image of the operator's own release (runtime.image of the resource or its class)"
        raise InvalidRuntimeDocument([error(("version",), message, remedy)])


def require_served(document: RuntimeDocument, roles: frozenset[Role]) -> None:
    """Refuse what these roles could not do as `document` says. Raises Refused."""
    findings = unserved(document) + [each.finding for each in adapters.not_served(document)]
    if roles == {Role.WORKER} and document.queue is None:
        findings.append(error(("queue",), "there is no queue to work on", "add spec.queue, or run no worker"))
    if findings:
        raise InvalidRuntimeDocument(findings)
