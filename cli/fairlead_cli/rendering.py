"""`fairlead render`: the children of the ApiServices of some files, as YAML, in the order in which they are applied.

Without `--capabilities` a default set of optional kinds is assumed. Findings are reported as by `lint`, on standard
error; what nothing serves yet is rendered all the same.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import yaml

from fairlead_cli.input import checking, documents, notices
from fairlead_cli.input.documents import Document
from fairlead_cli.input.notices import Notice, has_errors
from fairlead_contract.findings import Finding, Severity
from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_operator import plan
from fairlead_operator.plan import BUILT_IN_CLASS, Capabilities, Child, Plan, Violation

CAPABILITIES = {"prometheus": "prometheus", "keda": "keda", "gateway": "gateway", "cert-manager": "cert_manager"}
"""The values of `--capabilities`, and the fields they set."""

NOTHING = Capabilities(prometheus=False, keda=False, gateway=False, cert_manager=False)
USUAL = replace(NOTHING, prometheus=True)


def capabilities(words: str) -> Capabilities:
    """What a comma-separated list names. Raises ValueError for an unknown name."""
    named = [word.strip() for word in words.split(",") if word.strip()]
    for word in named:
        if word not in CAPABILITIES:
            raise ValueError(f"{word!r} is none of {', '.join(CAPABILITIES)}")
    return replace(NOTHING, **{CAPABILITIES[word]: True for word in named})


def render(
    sources: Sequence[str], *, recursive: bool, class_file: str | None, capabilities: Capabilities, image: str
) -> int:
    """Print the children of every ApiService in `sources`. Returns the exit code."""
    checked = checking.check(documents.load(sources, recursive=recursive))
    all_notices = list(checked.notices)
    if not checked.services and not has_errors(all_notices):
        all_notices.append(documents.nothing(sources, "no ApiService found"))
    class_, class_notices = read_class(class_file)
    all_notices += class_notices
    plans: list[tuple[Document, Plan]] = []
    for origin, resource in () if has_errors(all_notices) else checked.services:
        planned = plan.plan(resource, class_, capabilities=capabilities, image=image)
        plans.append((origin, planned))
        all_notices += _notices(origin, plan.violations(resource, class_, planned))
    print_notices(all_notices)
    if has_errors(all_notices):
        return 1
    print_notices(notice for origin, planned in plans for notice in left_out(origin, planned))
    sys.stdout.write(text(child for _, planned in plans for child in planned.children))
    return 0


def text(children: Iterable[Child]) -> str:
    """`children` as a YAML stream."""
    return yaml.dump_all(
        [child.manifest for child in children],
        Dumper=_Dumper,
        explicit_start=True,
        sort_keys=False,
        allow_unicode=True,
        width=4096,
    )


class _Dumper(yaml.SafeDumper):
    """Without anchors, which `kubectl` reads and people do not; and with quotes around what only `kubectl` takes for a
    number or a boolean, such as the namespace `1e3`."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?0o[0-7_]+$"), None)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?(\.?[0-9]+)+[eE][-+]?[0-9]+$"), None)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]$"), None)


def read_class(file: str | None) -> tuple[ApiServiceClass, list[Notice]]:
    """The one class in `file`, or the built-in one, and what was found on the way."""
    if file is None:
        return BUILT_IN_CLASS, []
    checked = checking.check(documents.load([file]))
    classes = [resource for _, resource in checked.resources if isinstance(resource, ApiServiceClass)]
    if len(classes) == 1:
        return classes[0], checked.notices
    all_notices = checked.notices
    if not has_errors(all_notices):
        message = f"{len(classes) or 'no'} ApiServiceClass in this file"
        all_notices = [*all_notices, notices.error(file, message, "name a file with exactly one")]
    return BUILT_IN_CLASS, all_notices


def _notices(origin: Document, violations: Iterable[Violation]) -> list[Notice]:
    all_notices = []
    for violation in violations:
        message, _, remedy = violation.message.partition("; ")
        all_notices.append(origin.notice(Finding(violation.path, message, Severity.ERROR, remedy)))
    return all_notices


def left_out(origin: Document, planned: Plan) -> list[Notice]:
    """What the cluster lacks, and what is used instead."""
    return [
        origin.notice(
            Finding(f"spec.{each.feature}" if each.feature != "monitoring" else "", each.message, Severity.WARNING)
        )
        for each in planned.left_out
    ]


def print_notices(all_notices: Iterable[Notice]) -> None:
    """Print findings on standard error."""
    for notice in all_notices:
        print(notice, file=sys.stderr)  # noqa: T201
