"""Files that are made from code: written, or compared with those on disk."""

import difflib
from collections.abc import Mapping
from pathlib import Path


def check(files: Mapping[Path, str], *, root: Path, what: str, remedy: str) -> int:
    """Print a diff of every file below `root` that is stale or missing; the exit code."""
    diffs = "".join(_diff(path, text, name=str(path.relative_to(root))) for path, text in files.items())
    print(f"{diffs}run `{remedy}`" if diffs else f"{what} are fresh")
    return 1 if diffs else 0


def write(files: Mapping[Path, str], *, root: Path) -> int:
    """Write every file, and name it; the exit code."""
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {path.relative_to(root)}")
    return 0


def _diff(path: Path, text: str, *, name: str) -> str:
    on_disk = path.read_text() if path.exists() else ""
    lines = difflib.unified_diff(
        on_disk.splitlines(keepends=True), text.splitlines(keepends=True), name, f"{name} (generated)"
    )
    return "".join(lines)
