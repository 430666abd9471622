"""The examples are accepted, and each invalid one is refused with the message that its first line names."""

from pathlib import Path

import pytest
import yaml

from fairlead_contract.validation.rules import Severity, check, unserved

EXAMPLES = Path(__file__).parents[3] / "examples"
INVALID = sorted((EXAMPLES / "invalid").glob("*.yaml"))


@pytest.mark.parametrize("name", ["orders", "products"])
def test_an_example_is_accepted_and_served(name: str) -> None:
    checked = check(yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text()))
    assert checked.errors == ()
    assert checked.resource is not None
    assert unserved(checked.resource) == []


def test_there_are_invalid_examples_of_many_kinds() -> None:
    assert len(INVALID) >= 14


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_an_invalid_example_is_refused_as_its_comment_says(path: Path) -> None:
    first, text = path.read_text().split("\n", 1)
    assert first.startswith("# expect: ")
    expected = first.removeprefix("# expect: ")
    if path.stem == "truncated":
        with pytest.raises(yaml.YAMLError, match=expected):
            yaml.safe_load(text)
        return
    checked = check(yaml.safe_load(text))
    said = [f"{finding.path}: {finding.message}" for finding in checked.findings if finding.severity is Severity.ERROR]
    assert any(expected in line for line in said), said
    assert checked.resource is None
