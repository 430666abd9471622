"""`fairlead schema` as people type it: into a file, for one kind or for all."""

import json
import subprocess
from pathlib import Path

import pytest

from ..process.server import ROOT, command, environment, fairlead

PAGE = (ROOT / "docs" / "editors.md").read_text()
COMMITTED = ROOT / "schema" / "fairlead.json"


def test_what_the_page_types_writes_the_schema_of_the_repository(tmp_path: Path) -> None:
    typed = "fairlead schema > fairlead.json"
    assert f"`{typed}`" in PAGE
    line = typed.replace("fairlead ", f"{' '.join(command())} ", 1)
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "fairlead.json").read_text() == COMMITTED.read_text()


@pytest.mark.parametrize("kind", ["ApiService", "ApiServiceClass", "DeadLetterRedrive"])
def test_one_kind_can_be_asked_for(kind: str) -> None:
    done = fairlead("schema", "--kind", kind)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["properties"]["kind"]["enum"] == [kind]


def test_another_kind_is_refused_with_the_names_of_all() -> None:
    done = fairlead("schema", "--kind", "Deployment")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'ApiService', 'ApiServiceClass', 'DeadLetterRedrive'" in done.stderr
