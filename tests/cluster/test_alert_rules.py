"""The rules of every golden case as Prometheus' own tool sees them, and when each alert fires."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "tests" / "golden" / "plan").glob("*/children.yaml"))
SERIES = ROOT / "tests" / "data" / "alerts" / "full.yaml"


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    assert found, "promtool is missing; install Prometheus, on Debian with `apt-get install prometheus`"
    return found


def rules(children: Path) -> dict[str, object] | None:
    """The specification of the case's PrometheusRule, which is a file of rules; None when it has none."""
    for document in yaml.safe_load_all(children.read_text()):
        if document["kind"] == "PrometheusRule":
            spec: dict[str, object] = document["spec"]
            return spec
    return None


def test_every_case_has_sound_rules(promtool: str, tmp_path: Path) -> None:
    files = []
    for children in CASES:
        found = rules(children)
        if found is not None:
            files.append(tmp_path / f"{children.parent.name}.yaml")
            files[-1].write_text(yaml.safe_dump(found))
    assert len(files) > 20
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_when_it_should_and_not_before(promtool: str, tmp_path: Path) -> None:
    found = rules(ROOT / "tests" / "golden" / "plan" / "full" / "children.yaml")
    assert found
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(found))
    shutil.copy(SERIES, tmp_path / "series.yaml")
    done = subprocess.run([promtool, "test", "rules", tmp_path / "series.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_without_a_test() -> None:
    found = rules(ROOT / "tests" / "golden" / "plan" / "full" / "children.yaml")
    assert found
    alerts = {rule["alert"] for group in found["groups"] for rule in group["rules"] if "alert" in rule}  # type: ignore[attr-defined]
    tests = yaml.safe_load(SERIES.read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test.get("alert_rule_test", ()) if case["exp_alerts"]}
    assert fired == alerts
