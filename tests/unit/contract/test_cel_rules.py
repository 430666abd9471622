"""Every CEL rule of the contract accepts and rejects what its table says, as do patterns of what ends in children."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead_contract.crd.definitions import KINDS, object_schema
from fairlead_contract.validation.rules import check

TABLES = Path(__file__).parents[2] / "data" / "cel"
VALUES = yaml.safe_load((TABLES.parent / "values.yaml").read_text())


def merged(document: Any, patch: Any) -> Any:
    """`document` after the JSON Merge Patch `patch` (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def cases() -> list[Any]:
    found = []
    for path in sorted(TABLES.glob("*.yaml")):
        table = yaml.safe_load(path.read_text())
        for number, case in enumerate(table["cases"]):
            found.append(
                pytest.param(table["base"], case, id=f"{path.stem}-{number}-{case['verdict']}-{case['rule'][:40]}")
            )
    return found


def rules_of(node: Any) -> set[str]:
    if isinstance(node, list):
        return {rule for item in node for rule in rules_of(item)}
    if not isinstance(node, dict):
        return set()
    own = {entry["message"].partition("; ")[0] for entry in node.get("x-kubernetes-validations", ())}
    return own | {rule for item in node.values() for rule in rules_of(item)}


@pytest.mark.parametrize(("base", "case"), cases())
def test_a_rule_decides_as_its_table_says(base: dict[str, Any], case: dict[str, Any]) -> None:
    old = merged(base, case["old"]) if "old" in case else None
    checked = check(merged(base, case["patch"]), old=old)
    faults = [finding.message for finding in checked.errors]
    if case["verdict"] == "accept":
        assert faults == []
        assert checked.resource is not None
    else:
        assert any(fault == case["rule"] or fault.startswith(f"{case['rule']}, and ") for fault in faults)
        assert checked.resource is None


@pytest.mark.parametrize("verdict", ["accept", "reject"])
def test_every_rule_has_a_case_of_each_verdict(verdict: str) -> None:
    covered = {case.values[1]["rule"] for case in cases() if case.values[1]["verdict"] == verdict}
    assert covered == {rule for kind in KINDS for rule in rules_of(object_schema(kind))}


@pytest.mark.parametrize("path", sorted(TABLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_base_of_a_table_is_accepted(path: Path) -> None:
    assert check(yaml.safe_load(path.read_text())["base"]).errors == ()


def test_a_rule_about_changes_does_not_run_on_a_creation() -> None:
    document = yaml.safe_load((TABLES / "redrive.yaml").read_text())["base"]
    assert check(document).errors == ()
    assert check(document, old={"kind": "ApiService"}).errors == ()


@pytest.mark.parametrize("case", VALUES, ids=lambda case: f"{case['kind']}-{case.get('path', 'accepted')}")
def test_a_value_that_ends_in_a_child_is_accepted_or_refused_by_its_path(case: dict[str, Any]) -> None:
    base = yaml.safe_load((TABLES / f"{case['kind']}.yaml").read_text())["base"]
    found = check(merged(base, case["patch"])).errors
    assert [each.path for each in found] == ([case["path"]] if "path" in case else [])
    assert all(each.remedy or "did you mean" in each.message for each in found)


def test_an_unknown_member_of_a_peer_is_reported_with_what_was_meant() -> None:
    base = yaml.safe_load((TABLES / "class.yaml").read_text())["base"]
    found = check(merged(base, {"spec": {"networkPolicy": {"ingressFrom": [{"podselector": {}}]}}})).errors
    said = "unknown field `podselector`; did you mean `podSelector`?"
    assert ("spec.networkPolicy.ingressFrom[0].podselector", said) in [(each.path, each.message) for each in found]
