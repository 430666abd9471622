"""`fairlead lint`: every finding about the resources of some files. Errors exit 1, warnings do not."""

import json
from collections.abc import Sequence
from typing import Literal

from fairlead_cli.input import checking, documents
from fairlead_cli.input.notices import Notice, has_errors
from fairlead_contract.findings import Severity

Output = Literal["text", "json"]


def lint(sources: Sequence[str], *, recursive: bool, output: Output) -> int:
    """Print what was found in `sources`. Returns the exit code."""
    checked = checking.check(documents.load(sources, recursive=recursive))
    notices = checked.notices + checking.unserved(checked.services, severity=Severity.WARNING)
    notices += checking.connections(checked.services) + checking.sizes(checked)
    if not checked.resources and not has_errors(notices):
        notices.append(_nothing(sources, len(checked.foreign)))
    if output == "json":
        print(json.dumps({"findings": [notice.as_json() for notice in notices]}, indent=2))  # noqa: T201
    else:
        faulty = len(checked.faulty) + len(checked.broken(notices))
        _print_text(notices, sound=len(checked.resources) + len(checked.faulty) - faulty, faulty=faulty)
    return 1 if has_errors(notices) else 0


def _nothing(sources: Sequence[str], foreign: int) -> Notice:
    others = f"; {foreign} documents of other kinds" if foreign else ""
    return documents.nothing(sources, f"no resource of fairlead.dev found{others}")


def _print_text(notices: Sequence[Notice], *, sound: int, faulty: int) -> None:
    for notice in notices:
        print(notice)  # noqa: T201
    errors = sum(notice.is_error for notice in notices)
    parts = [f"{_count(sound, 'resource')} sound"] if sound or not faulty else []
    parts += [f"{_count(faulty, 'resource')} faulty"] if faulty else []
    print(", ".join([*parts, _count(errors, "error"), _count(len(notices) - errors, "warning")]))  # noqa: T201


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
