"""Every check of a resource, in one place: for `fairlead lint`, `fairlead run`, the operator and the workload. Pure.

The order: first JSON, then the kind, then the shape (structure.py), then what the API server would refuse
(admission.py, with names by undeclared_names.py), then what only we can see (consistency.py, handlers.py). A later
check runs only on what the earlier ones left sound, so that one error is reported once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fairlead_contract.crd.definitions import KINDS, Kind, object_schema
from fairlead_contract.findings import Finding, Severity, did_you_mean, error, warning
from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.names import GROUP
from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_contract.spec.model import Model
from fairlead_contract.spec.redrive import DeadLetterRedrive
from fairlead_contract.unserved import unserved
from fairlead_contract.validation.admission import violations
from fairlead_contract.validation.consistency import api_findings
from fairlead_contract.validation.handlers import worker_findings
from fairlead_contract.validation.structure import json_findings, parse
from fairlead_contract.validation.undeclared_names import by_name

AnyResource = ApiService | ApiServiceClass | DeadLetterRedrive
_KINDS = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `resource` is there exactly when no finding is an error."""

    resource: AnyResource | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARNING)


def is_ours(document: Any) -> bool:
    """Whether `document` means to be a resource of Fairlead, be it with mistakes."""
    if not isinstance(document, Mapping):
        return False
    return str(document.get("apiVersion", "")).startswith(f"{GROUP}/") or document.get("kind") in _KINDS


def check(document: Any, *, old: Mapping[str, Any] | None = None) -> Checked:
    """Every finding about `document`, a parsed YAML or JSON document; errors first. Never raises.

    With `old`, the stored document that it replaces, the rules about changes are checked too.
    """
    findings = json_findings(document)
    if findings:
        return _checked(None, findings)
    if not isinstance(document, dict):
        return _checked(None, [error((), "is not an object", "write apiVersion, kind, metadata and spec")])
    kind = _kind(document)
    if isinstance(kind, Finding):
        return _checked(None, [kind])
    return _check_kind(document, kind, _comparable(old, kind))


def _kind(document: Json) -> Kind | Finding:
    named = document.get("kind")
    if named is None:
        return error(("kind",), "required field `kind` is missing", f"one of {', '.join(_KINDS)}")
    if not isinstance(named, str) or named not in _KINDS:
        near = did_you_mean(named, _KINDS) if isinstance(named, str) else ""
        return error(("kind",), f"unknown kind `{named}`{near}", f"one of {', '.join(_KINDS)}")
    return _KINDS[named]


def _comparable(old: Mapping[str, Any] | None, kind: Kind) -> Json | None:
    """`old` where rules about changes can be run against it."""
    if old is None or json_findings(old) or old.get("kind") != kind.name:
        return None
    return dict(old)


def _check_kind(document: Json, kind: Kind, old: Json | None) -> Checked:
    schema = object_schema(kind)
    parsed, faults = parse(document, kind.model, schema)
    findings = [finding for _, finding in faults]
    refused = violations(document, schema, faults=[place for place, _ in faults], old=old)
    if kind.model is ApiService:
        refused = by_name(refused, document)
    if isinstance(parsed, ApiService):
        return _checked(parsed, findings + refused + _service_findings(parsed))
    return _checked(parsed, findings + refused)


def _service_findings(service: ApiService) -> list[Finding]:
    findings = api_findings(service.spec) + worker_findings(service.spec)
    if service.spec.security is None or service.spec.security.authentication is None:
        remedy = "add jwt or apiKeys, or say `anonymous: Allow`"
        findings.append(warning(("spec", "security", "authentication"), "is absent: the API is anonymous", remedy))
    return findings


def _checked(parsed: Model | None, findings: list[Finding]) -> Checked:
    unique = sorted(dict.fromkeys(findings), key=lambda finding: finding.severity is not Severity.ERROR)
    sound = not any(finding.severity is Severity.ERROR for finding in unique)
    resource = parsed if sound and isinstance(parsed, AnyResource) else None
    return Checked(resource, tuple(unique))


__all__ = ["AnyResource", "Checked", "Finding", "Severity", "check", "is_ours", "unserved"]
