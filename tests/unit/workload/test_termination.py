"""The termination message: a line for each reason, never longer than Kubernetes keeps, never in half a character."""

from pathlib import Path

from fairlead_contract.findings import Finding
from fairlead_workload.process import termination_message


def test_each_reason_is_one_line_with_place_and_remedy() -> None:
    findings = [Finding("queue.type", "is not\nserved", remedy="use SQLite"), Finding("", "no more")]
    assert termination_message.lines(findings) == "queue.type: is not served; use SQLite\nno more"


def test_a_short_message_stays_as_it_is() -> None:
    assert termination_message.fitted("é" * 2048) == ("é" * 2048).encode()


def test_a_long_message_is_cut_between_characters() -> None:
    message = termination_message.fitted("aé" * 2000)
    assert len(message) <= 4096
    assert message.decode().endswith("é\n...")


def test_the_message_replaces_what_the_file_held(tmp_path: Path) -> None:
    file = tmp_path / "termination-log"
    file.write_text("a longer message of the former attempt")
    termination_message.leave("done", file)
    assert file.read_text() == "done"


def test_a_file_that_nobody_made_is_not_made(tmp_path: Path) -> None:
    termination_message.leave("done", tmp_path / "termination-log")
    assert not list(tmp_path.iterdir())
