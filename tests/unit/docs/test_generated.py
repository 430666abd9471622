"""What is made from code lies fresh in the repository, and a stale file is found and shown."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_on_disk_are_fresh(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--check"]) == 0
    assert "fresh" in capsys.readouterr().out


def test_every_stale_or_missing_file_is_shown_with_a_diff(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "ROOT", tmp_path)
    assert script.main([]) == 0
    assert script.main(["--check"]) == 0
    paths = sorted(path.relative_to(tmp_path) for path in script.generated())
    for path in paths[1:]:
        (tmp_path / path).write_text((tmp_path / path).read_text().replace("e", "x", 1))
    (tmp_path / paths[0]).unlink()
    capsys.readouterr()
    assert script.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert [path for path in paths if f"--- {path}" not in said] == []
    assert said.endswith("run `make manifests`\n")
