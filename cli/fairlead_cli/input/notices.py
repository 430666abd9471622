"""One line for each thing a person should know about a file: where, what, and what to do. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fairlead_contract.findings import Finding, Severity


@dataclass(frozen=True, slots=True)
class Notice:
    """A finding, and the file and document it is in. `document` counts from 1; 0: the file as a whole."""

    file: str
    finding: Finding
    document: int = 0
    subject: str = ""  # "Kind NAME", as far as they are known

    @property
    def is_error(self) -> bool:
        return self.finding.severity is Severity.ERROR

    def __str__(self) -> str:
        """`FILE: document N (Kind NAME): PATH: MESSAGE; REMEDY`, without the parts that are unknown."""
        where = [self.file]
        if self.document:
            where.append(f"document {self.document}" + (f" ({self.subject})" if self.subject else ""))
        if self.finding.severity is Severity.WARNING:
            where.append("warning")
        if self.finding.path:
            where.append(self.finding.path)
        remedy = f"; {self.finding.remedy}" if self.finding.remedy else ""
        return _one_line(": ".join([*where, self.finding.message]) + remedy)

    def as_json(self) -> dict[str, Any]:
        """The notice as `lint --output json` prints it."""
        return {
            "file": self.file,
            "document": self.document,
            "subject": self.subject,
            "severity": self.finding.severity.value,
            "path": self.finding.path,
            "message": self.finding.message,
            "remedy": self.finding.remedy,
        }


def error(file: str, message: str, remedy: str = "", *, document: int = 0, place: str = "") -> Notice:
    return Notice(file, Finding(place, message, Severity.ERROR, remedy), document)


def has_errors(notices: Iterable[Notice]) -> bool:
    return any(notice.is_error for notice in notices)


def _one_line(text: str) -> str:
    """Line breaks and other control characters of a user's value would break the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
