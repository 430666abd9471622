"""Write the pages and the schema that are made from code, or check that those on disk are fresh.

`python scripts/reference.py` writes them; `--check` writes nothing, prints a diff and exits 1 when one is stale.
"""

import difflib
import sys
from pathlib import Path

import telemetry_pages

from fairlead_cli import editors
from fairlead_contract.crd import field_reference
from fairlead_contract.crd.definitions import KINDS

ROOT = Path(__file__).resolve().parent.parent


def generated() -> dict[Path, str]:
    """The text of every generated file."""
    pages = {f"reference/{kind.name.lower()}.md": field_reference.markdown(kind) for kind in KINDS}
    return {
        ROOT / "schema" / "fairlead.json": editors.text(),
        **{ROOT / "docs" / name: text for name, text in pages.items()},
        ROOT / "docs" / "metrics.md": telemetry_pages.metrics_page(),
        ROOT / "docs" / "log-events.md": telemetry_pages.log_page(),
    }


def stale() -> list[str]:
    """A unified diff for every file that differs from what would be generated."""
    diffs = []
    for path, wanted in generated().items():
        found = path.read_text() if path.exists() else ""
        name = str(path.relative_to(ROOT))
        lines = difflib.unified_diff(
            found.splitlines(keepends=True), wanted.splitlines(keepends=True), name, f"{name} (generated)"
        )
        diffs.append("".join(lines))
    return [diff for diff in diffs if diff]


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        diffs = stale()
        print("".join(diffs) + "run `make manifests`" if diffs else "the reference is fresh")
        return 1 if diffs else 0
    if arguments:
        print("usage: reference.py [--check]", file=sys.stderr)
        return 2
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
