"""Write the pages and the schema that are made from code, or check that those on disk are fresh.

`python scripts/reference.py` writes them; `--check` writes nothing, prints a diff and exits 1 when one is stale.
"""

import sys
from pathlib import Path

import generated_files
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


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        return generated_files.check(generated(), root=ROOT, what="the pages and the schema", remedy="make manifests")
    if arguments:
        print("usage: reference.py [--check]", file=sys.stderr)
        return 2
    return generated_files.write(generated(), root=ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
