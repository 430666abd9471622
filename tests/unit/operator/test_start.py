"""What a start needs is read before anything runs: what is wrong with it ends the process, and is reported."""

import json
import logging
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from fairlead_operator import __main__ as entry
from fairlead_operator.settings import Settings


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """Put back what a start changes for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_without_a_setting_the_image_is_the_one_of_this_version() -> None:
    assert Settings.from_environment({}).image == f"fairlead-workload:{version('fairlead')}"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("FAIRLEAD_WORKERS", "many", "'many' is no int; set a number"),
        ("FAIRLEAD_WORKER", "3", "there is no such setting; did you mean FAIRLEAD_WORKERS?"),
        ("FAIRLEAD_LOG_LEVEL", "LOUD", "'LOUD' is no level; set DEBUG, INFO, WARNING or ERROR"),
        ("FAIRLEAD_CLASS_FILE", "absent.yaml", "absent.yaml holds no ApiServiceClass"),
        ("FAIRLEAD_CLASS_FILE", "other.yaml", "other.yaml holds no ApiServiceClass"),
    ],
    ids=["no number", "no setting", "no level", "no class file", "a class file of another kind"],
)
def test_what_cannot_be_read_ends_the_start_with_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    message: str,
) -> None:
    (tmp_path / "other.yaml").write_text("kind: ConfigMap\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"fairlead-operator: {variable}: ")
    assert message in error


def test_the_first_line_of_the_log_has_the_versions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry.uvloop, "run", lambda work: work.close())
    monkeypatch.setattr(entry.gc, "freeze", lambda: None)
    monkeypatch.setattr(entry.gc, "set_threshold", lambda _: None)
    entry.main()
    first = json.loads(capsys.readouterr().err.splitlines()[0])
    assert first["message"] == "the operator starts"
    assert (first["version"], first["kopf"]) == (version("fairlead"), version("kopf"))
