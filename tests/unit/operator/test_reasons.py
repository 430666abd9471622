"""Every reason is documented, and nothing else is."""

import re
from pathlib import Path

from fairlead_operator.reasons import Reason

ROOT = Path(__file__).resolve().parents[3]
ROW = re.compile(r"^\| `([A-Za-z]+)` \|(.+)\|(.+)\|$", re.MULTILINE)
PLANNED = re.compile(r'LeftOut\(\s*[^,]+,\s*"([A-Z][A-Za-z]+)"')


def test_the_table_and_the_code_have_the_same_reasons() -> None:
    rows = ROW.findall((ROOT / "docs" / "reasons.md").read_text())
    assert sorted(name for name, _, _ in rows) == sorted(Reason)
    assert all(cause.strip() and remedy.strip() for _, cause, remedy in rows)


def test_what_the_plan_leaves_out_of_scaling_has_a_known_reason() -> None:
    text = (ROOT / "operator" / "fairlead_operator" / "plan" / "scaling" / "backend.py").read_text()
    found = set(PLANNED.findall(text))
    assert found
    assert found <= set(Reason)
