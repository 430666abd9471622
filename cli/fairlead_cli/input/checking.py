"""Which resources a command works on: every rule applied to what was read, all findings at once. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from fairlead_cli.input import notices
from fairlead_cli.input.documents import Document, Loaded
from fairlead_cli.input.notices import Notice
from fairlead_contract.findings import Finding, Severity
from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.validation import rules
from fairlead_contract.validation.rules import AnyResource


@dataclass(slots=True)
class Checked:
    """The sound resources with the documents they came from, the other documents, and what was found."""

    resources: list[tuple[Document, AnyResource]] = field(default_factory=list)
    faulty: list[Document] = field(default_factory=list)  # of ours, with an error at least
    foreign: list[Document] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    @property
    def has_errors(self) -> bool:
        return notices.has_errors(self.notices)

    @property
    def services(self) -> list[tuple[Document, ApiService]]:
        return [(document, each) for document, each in self.resources if isinstance(each, ApiService)]

    def broken(self, notices: Iterable[Notice]) -> list[Document]:
        """Documents of resources that were sound until these were found."""
        places = {(notice.file, notice.document) for notice in notices if notice.is_error}
        return [document for document, _ in self.resources if (document.file, document.position) in places]


def check(loaded: Loaded) -> Checked:
    """Check every document of ours in `loaded`."""
    checked = Checked(notices=list(loaded.notices))
    parsed: list[tuple[Document, AnyResource]] = []
    for document in loaded.documents:
        if not document.is_ours:
            checked.foreign.append(document)
            continue
        result = rules.check(document.value)
        checked.notices += [document.notice(finding) for finding in (*document.findings, *result.findings)]
        if result.resource is not None:
            parsed.append((document, result.resource))
    checked.notices += _repeated(parsed)
    broken = {(notice.file, notice.document) for notice in checked.notices if notice.is_error}
    checked.resources = [each for each in parsed if (each[0].file, each[0].position) not in broken]
    checked.faulty = [each for each in loaded.documents if each.is_ours and (each.file, each.position) in broken]
    return checked


def unserved(services: Iterable[tuple[Document, ApiService]], *, severity: Severity) -> list[Notice]:
    """What the ApiServices ask for that no code serves yet."""
    return [
        document.notice(finding)
        for document, resource in services
        for finding in rules.unserved(resource, severity=severity)
    ]


def sizes(checked: Checked) -> list[Notice]:
    """What of sound resources does not fit on a cluster. A laptop takes it."""
    # For `lint` only: the start of `run` has no time for it.
    from fairlead_contract.validation.sizes import apply_findings, size_findings

    notices = [document.notice(each) for document, _ in checked.resources for each in apply_findings(document.value)]
    notices += [document.notice(each) for document, resource in checked.services for each in size_findings(resource)]
    return notices


def connections(services: Iterable[tuple[Document, ApiService]]) -> list[Notice]:
    """Where a server on a cluster may have too few connections. A laptop has one replica."""
    from fairlead_contract.validation.connections import connection_findings  # for `lint` only, as `sizes` is

    return [
        document.notice(finding) for document, resource in services for finding in connection_findings(resource.spec)
    ]


def _repeated(resources: Iterable[tuple[Document, AnyResource]]) -> list[Notice]:
    seen: dict[tuple[str, str, str], Document] = {}
    notices: list[Notice] = []
    for document, resource in resources:
        name = (resource.kind, resource.metadata.namespace, resource.metadata.name)
        first = seen.setdefault(name, document)
        if first is not document:
            message = f"the same resource is in {first.file}, document {first.position}"
            notices.append(document.notice(Finding("metadata.name", message, remedy="keep one of them")))
    return notices
