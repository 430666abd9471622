"""What is reported about a runtime document that cannot be used."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.workload.documents import MYSQL, runtime

from fairlead_contract.runtime import RuntimeDocument
from fairlead_workload.process import runtime_file
from fairlead_workload.process.runtime_file import MAX_BYTES, InvalidRuntimeDocument
from fairlead_workload.service import EVERYTHING


def changed(place: tuple[str | int, ...], value: Any) -> bytes:
    """A good document with one value replaced."""
    document = json.loads(json.dumps(runtime()))
    within = document
    for part in place[:-1]:
        within = within[part]
    within[place[-1]] = value
    return json.dumps(document).encode()


def findings_in(folder: Path, data: bytes) -> list[tuple[str, str]]:
    file = folder / "runtime.json"
    file.write_bytes(data)
    with pytest.raises(InvalidRuntimeDocument) as refused:
        runtime_file.read(file)
    assert all(finding.remedy or "did you mean" in finding.message for finding in refused.value.findings)
    return [(finding.path, finding.message) for finding in refused.value.findings]


def test_what_the_operator_writes_is_read(tmp_path: Path) -> None:
    file = tmp_path / "runtime.json"
    file.write_text(json.dumps(runtime()))
    assert runtime_file.read(file) == RuntimeDocument.model_validate(runtime())


FAULTS = {
    "a newer version": (("version",), 2, "version", "2 is not known, this image knows 1"),
    "a version that is text": (("version",), "1", "version", "1 is not known, this image knows 1"),
    "a version that is a boolean": (("version",), True, "version", "True is not known, this image knows 1"),
    "a field from nowhere": (("colour",), "red", "colour", "unknown field `colour`"),
    "a misspelt type": (
        ("datastore", "type"),
        "SQlite",
        "datastore.type",
        "`SQlite` is none of DynamoDB, PostgreSQL, MySQL, SQLite; did you mean `SQLite`?",
    ),
    "a value of another type": (("name",), 7, "name", "must be text, not 7"),
    "a duration without a unit": (("worker", "timeout"), "30", "worker.timeout", "`30` is not a duration"),
}


@pytest.mark.parametrize(("place", "value", "path", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_by_its_place(
    tmp_path: Path, place: tuple[str | int, ...], value: Any, path: str, message: str
) -> None:
    assert findings_in(tmp_path, changed(place, value)) == [(path, message)]


def test_a_newer_version_is_reported_before_anything_else(tmp_path: Path) -> None:
    assert [path for path, _ in findings_in(tmp_path, b'{"version": 3, "everything": "is different"}')] == ["version"]


NOT_DOCUMENTS = {
    "nothing": (b"", "the runtime document is not JSON: EOF while parsing a value"),
    "half of one": (b'{"version": 1', "the runtime document is not JSON: EOF while parsing an object"),
    "not UTF-8": (b'{"name": "\xff"}', "the runtime document is not JSON: invalid unicode code point"),
    "too deep": (b"[" * 100_000, "the runtime document is not JSON: recursion limit exceeded"),
    "more than a ConfigMap holds": (b" " * (MAX_BYTES + 1), f"has more than {MAX_BYTES} bytes"),
    "a list": (b"[]", "the runtime document is not an object"),
    "no version": (b"{}", "required field `version` is missing"),
}


@pytest.mark.parametrize(("data", "message"), NOT_DOCUMENTS.values(), ids=NOT_DOCUMENTS)
def test_what_is_no_document_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    [(_, said)] = findings_in(tmp_path, data)
    assert said.startswith(message)


def test_everything_that_is_not_served_is_reported_at_once() -> None:
    document = RuntimeDocument.model_validate(
        runtime(datastore=MYSQL, grpc={"enabled": True}, security={"rateLimit": {"requests": 1, "period": "1s"}})
    )
    with pytest.raises(InvalidRuntimeDocument) as refused:
        runtime_file.require_served(document, EVERYTHING)
    assert [each.path for each in refused.value.findings] == ["security.rateLimit", "grpc.enabled", "datastore.type"]
