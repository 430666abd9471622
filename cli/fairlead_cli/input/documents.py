"""Which documents a command is about: reads files, folders and standard input.

A folder means the YAML and JSON files directly in it (with `recursive`, below it too); what is larger than
`MAX_FILE_BYTES` is not read. Nothing is raised: what cannot be read is a notice, so that one broken file does not hide
the faults of the others.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairlead_cli.input import notices, syntax
from fairlead_cli.input.notices import Notice
from fairlead_contract.findings import Finding
from fairlead_contract.validation import rules

MAX_FILE_BYTES = 4 * 1024 * 1024
SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Document:
    """One Kubernetes object of a file. `position` counts from 1; `findings` are oddities of its YAML."""

    file: str
    position: int
    value: dict[str, Any]
    findings: tuple[Finding, ...] = ()

    @property
    def kind(self) -> str:
        return _text(self.value.get("kind"))

    @property
    def subject(self) -> str:
        """`Kind NAME`, as far as they are there."""
        metadata = self.value.get("metadata")
        name = _text(metadata.get("name")) if isinstance(metadata, dict) else ""
        return f"{self.kind} {name}".strip()

    @property
    def is_ours(self) -> bool:
        return rules.is_ours(self.value)

    def notice(self, finding: Finding) -> Notice:
        """`finding`, said of this document."""
        return Notice(self.file, finding, self.position, self.subject)


@dataclass(slots=True)
class Loaded:
    """What was read: documents in order, and what could not be read."""

    documents: list[Document] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def load(sources: Sequence[str], *, recursive: bool = False) -> Loaded:
    """Read every document of `sources`: files, folders, or `-` for standard input."""
    loaded = Loaded()
    for source in sources:
        if source == STDIN:
            _read(loaded, "standard input", None)
            continue
        for file in _files(loaded, Path(source), recursive=recursive):
            _read(loaded, str(file), file)
    if not loaded.documents and not loaded.notices:
        loaded.notices.append(nothing(sources, "no document found"))
    return loaded


def nothing(sources: Sequence[str], message: str) -> Notice:
    """The notice that none of `sources` has what a command needs."""
    return notices.error(", ".join(sources), message, "name a file with an ApiService")


def _files(loaded: Loaded, source: Path, *, recursive: bool) -> Iterator[Path]:
    try:
        if not source.is_dir():
            yield source
            return
        paths = source.rglob("*") if recursive else source.iterdir()
        files = sorted(path for path in paths if path.suffix in SUFFIXES and path.is_file())
    except OSError as error:
        loaded.notices.append(_unreadable(str(source), error))
        return
    if not files:
        remedy = "name a file" if recursive else "name a file, or give -R to read the folders in it too"
        loaded.notices.append(notices.error(str(source), "no .yaml, .yml or .json file in this folder", remedy))
    yield from files


def _read(loaded: Loaded, name: str, file: Path | None) -> None:
    try:
        text = _content(file)
        parsed = syntax.parse(text)
    except OSError as error:
        loaded.notices.append(_unreadable(name, error))
        return
    except UnicodeDecodeError as error:
        loaded.notices.append(notices.error(name, f"not UTF-8 (byte {error.start + 1})", "save the file as UTF-8"))
        return
    except _TooLarge:
        loaded.notices.append(notices.error(name, f"larger than {MAX_FILE_BYTES} bytes", "split the file"))
        return
    except syntax.SyntaxFault as fault:
        loaded.notices.append(_syntax_notice(name, fault))
        return
    _add(loaded, name, parsed)


class _TooLarge(Exception):
    pass


def _content(file: Path | None) -> str:
    if file is None:
        data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    else:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _TooLarge
    return data.decode("utf-8-sig")


def _add(loaded: Loaded, name: str, parsed: list[syntax.Parsed]) -> None:
    filled = [(position, each) for position, each in enumerate(parsed, 1) if each.value is not None]
    if not filled:
        loaded.notices.append(notices.error(name, "the file is empty", "write an ApiService into it"))
    for position, each in filled:
        if isinstance(each.value, dict) and (rules.is_ours(each.value) or _is_object(each.value)):
            loaded.documents.append(Document(name, position, each.value, tuple(each.findings)))
        else:
            message = "not a Kubernetes object: it needs apiVersion and kind"
            remedy = "start it with `apiVersion: fairlead.dev/v1alpha1` and `kind: ApiService`"
            loaded.notices.append(notices.error(name, message, remedy, document=position))


def _is_object(value: dict[str, Any]) -> bool:
    return bool(value.get("kind") and value.get("apiVersion"))


def _syntax_notice(name: str, fault: syntax.SyntaxFault) -> Notice:
    place = f"line {fault.line}, column {fault.column}" if fault.line else ""
    return notices.error(name, fault.message, "check the file up to this line", document=fault.document, place=place)


def _unreadable(name: str, error: OSError) -> Notice:
    return notices.error(name, f"cannot be read: {error.strerror or error}", "check the path and its permissions")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
