"""What `fairlead run` does before it serves: read, check, refuse, and say what it replaces.

Kept apart from serving, so that a resource with a fault is refused without loading a server.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from fairlead_cli.input import checking, documents
from fairlead_cli.input.checking import Checked
from fairlead_cli.input.documents import Document
from fairlead_cli.input.notices import Notice, has_errors
from fairlead_cli.run import embedded
from fairlead_contract.findings import Finding, Severity
from fairlead_contract.spec.apiservice import ApiService

Services = Sequence[tuple[Document, ApiService]]


@dataclass(frozen=True, slots=True)
class Chosen:
    """How to run: on the bindings that are declared or on embedded ones, as what, and which services have a URL."""

    declared: bool = False
    role: Literal["api", "worker", "all"] = "all"
    services: frozenset[str] = frozenset()


def admit(sources: Sequence[str], *, recursive: bool, chosen: Chosen) -> Services | None:
    """The ApiServices of `sources`, or None when something stands against serving them; says what on standard error."""
    checked = checking.check(documents.load(sources, recursive=recursive))
    notices = checked.notices + checking.unserved(checked.services, severity=Severity.ERROR)
    for origin, resource in checked.services:
        notices += [origin.notice(finding) for finding in _findings(resource, chosen)]
    if not checked.services and not has_errors(notices):
        notices.append(documents.nothing(sources, "no ApiService found"))
    for notice in notices:
        _say(notice)
    if has_errors(notices):
        return None
    _say_skipped(checked)
    for origin, resource in () if chosen.declared else checked.services:
        _say_replaced(origin, resource)
    return checked.services


def _findings(resource: ApiService, chosen: Chosen) -> Iterator[Finding]:
    """What stands against running it as chosen."""
    if chosen.role != "api":
        yield from embedded.unmapped(resource, chosen.services)
    if chosen.role == "worker" and resource.spec.queue is None:
        yield Finding("spec.queue", "there is no queue to work on", remedy="add one, or run no worker")
    if chosen.declared:
        from fairlead_contract.runtime import derive
        from fairlead_workload import adapters

        for refused in adapters.not_served(derive(resource)):
            yield Finding(f"spec.{refused.path}", refused.message, remedy=refused.remedy)


def _say_skipped(checked: Checked) -> None:
    served = {id(origin) for origin, _ in checked.services}
    others = [*checked.foreign, *(origin for origin, _ in checked.resources if id(origin) not in served)]
    for document in others:
        _say(f"{_where(document)}: skipped; only an ApiService is served")


def _say_replaced(origin: Document, resource: ApiService) -> None:
    replaced = embedded.replacements(resource)
    if replaced:
        _say(f"{_where(origin)}: embedded here: {', '.join(replaced)}")


def _where(document: Document) -> str:
    return f"{document.file}: document {document.position} ({document.subject})"


def _say(line: Notice | str) -> None:
    print(line, file=sys.stderr)  # noqa: T201
