"""The termination message of a container, which Kubernetes shows in the pod's status.

One line for each reason, cut where the space ends. The container's runtime makes the file; without one nobody would
read the message, and the log has the same text.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from fairlead_contract.findings import Finding
from fairlead_contract.names import TERMINATION_LOG_BYTES

_MORE = "\n..."


def lines(findings: Iterable[Finding]) -> str:
    """`PATH: MESSAGE; REMEDY`, a line each."""
    return "\n".join(_line(finding) for finding in findings)


def _line(finding: Finding) -> str:
    where = f"{finding.path}: " if finding.path else ""
    remedy = f"; {finding.remedy}" if finding.remedy else ""
    text = f"{where}{finding.message}{remedy}"
    return "".join(character if character.isprintable() else " " for character in text)


def fitted(text: str) -> bytes:
    """`text` in UTF-8, cut between characters where it is too long."""
    data = text.encode("utf-8", "replace")
    if len(data) <= TERMINATION_LOG_BYTES:
        return data
    kept = data[: TERMINATION_LOG_BYTES - len(_MORE)]
    return kept.decode("utf-8", "ignore").encode() + _MORE.encode()


def leave(text: str, path: Path) -> None:
    """Write `text` as the termination message. A file that is not there, or not ours to write, is left alone."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(fitted(text))
