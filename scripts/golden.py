"""Write the golden files that are made from the examples, and docs/problems.md, or check that those on disk are fresh.

`python scripts/golden.py` writes them; `--check` writes nothing, prints a diff and exits 1 when one is stale.
"""

import difflib
import json
import sys
from pathlib import Path

import yaml

from fairlead_contract import problems
from fairlead_contract.openapi import openapi
from fairlead_contract.resources import ApiService
from fairlead_contract.runtime import derive

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ("orders", "products")


def golden() -> dict[Path, str]:
    """The text of every golden file."""
    files = {ROOT / "docs" / "problems.md": problems.markdown()}
    for name in EXAMPLES:
        resource = ApiService.model_validate(yaml.safe_load((ROOT / "examples" / f"{name}.yaml").read_text()))
        text = json.dumps(openapi(derive(resource)), indent=2, ensure_ascii=False) + "\n"
        files[ROOT / "tests" / "golden" / "openapi" / f"{name}.json"] = text
    return files


def stale() -> list[str]:
    """A unified diff for every file that differs from what would be written."""
    diffs = []
    for path, wanted in golden().items():
        found = path.read_text() if path.exists() else ""
        lines = difflib.unified_diff(
            found.splitlines(keepends=True), wanted.splitlines(keepends=True), path.name, f"{path.name} (now)"
        )
        diffs.append("".join(lines))
    return [diff for diff in diffs if diff]


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        diffs = stale()
        print("".join(diffs) + "run `make golden`" if diffs else "the golden files are fresh")
        return 1 if diffs else 0
    if arguments:
        print("usage: golden.py [--check]", file=sys.stderr)
        return 2
    for path, text in golden().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
