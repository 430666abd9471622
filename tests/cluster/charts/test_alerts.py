"""The operator's alerts and the dashboards' queries as Prometheus' own tool sees them."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .helm import OPERATOR, Helm

PODS = ("one", "two")
WELL = {
    'up{pod="POD"}': "1x60",
    'leader_election_master_status{pod="one"}': "1x60",
    'leader_election_master_status{pod="two"}': "0x60",
    'controller_runtime_reconcile_total{pod="one"}': "0+60x60",
    'controller_runtime_reconcile_errors_total{pod="one"}': "0+1x60",
    'workqueue_depth{pod="one"}': "3x60",
    'workqueue_depth{pod="two"}': "500x60",  # a standby keeps a queue, and does not work it off
    'fairlead_operator_watch_silence_seconds{pod="POD",kind="Deployment"}': "50x60",
    'fairlead_operator_kopf_restarts_total{pod="one",reason="missed"}': "0x20 1x40",
    'fairlead_operator_kopf_missed_events_total{pod="one",kind="ApiService"}': "0x20 2x40",
}
ILL: dict[str, dict[str, str]] = {
    "FairleadOperatorDown": {'up{pod="POD"}': "0x60"},
    "FairleadOperatorNoLeader": {'leader_election_master_status{pod="one"}': "0x60"},
    "FairleadOperatorErrors": {'controller_runtime_reconcile_errors_total{pod="one"}': "0+10x60"},
    "FairleadOperatorBehind": {'workqueue_depth{pod="one"}': "101x60"},
    # What fails /healthz is restarted, again and again.
    "FairleadOperatorEventLag": {
        'fairlead_operator_watch_silence_seconds{pod="POD",kind="Deployment"}': " ".join(["5 65 125 170"] * 15),
    },
    "FairleadOperatorMissesEvents": {
        'fairlead_operator_kopf_restarts_total{pod="one",reason="missed"}': "0+0.5x60",
    },
}


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    assert found, "promtool is missing; install Prometheus, on Debian with `apt-get install prometheus`"
    return found


@pytest.fixture(scope="module")
def rules(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of rules that the chart makes."""
    manifests = helm.manifests(OPERATOR, settings=["metrics.prometheusRule.enabled=true"])
    [rule] = [each for each in manifests if each["kind"] == "PrometheusRule"]
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump(rule["spec"]))
    return path


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def series(changed: dict[str, str]) -> list[dict[str, str]]:
    """What Prometheus scrapes of two pods for an hour, once a minute."""
    found = []
    for name, values in (WELL | changed).items():
        for pod in PODS if '"POD"' in name else ("",):
            labels = name.replace("POD", pod).replace("{", '{namespace="fairlead-system",service="fairlead-metrics",')
            found.append({"series": labels, "values": values})
    return found


def test_the_rules_are_sound(promtool: str, rules: Path) -> None:
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", str(rules))


@pytest.mark.parametrize("name", ["", *ILL], ids=["all is well", *ILL])
def test_an_alert_fires_alone_when_it_should(promtool: str, rules: Path, tmp_path: Path, name: str) -> None:
    written = yaml.safe_load(rules.read_text())["groups"][0]["rules"]
    assert {rule["alert"] for rule in written} == set(ILL)
    case: dict[str, Any] = {"interval": "1m", "input_series": series(ILL.get(name, {})), "promql_expr_test": []}
    for rule in written:
        firing = f'count(ALERTS{{alertname="{rule["alert"]}",alertstate="firing"}}) or vector(0)'
        expected = [{"labels": "{}", "value": 1 if rule["alert"] == name else 0}]
        case["promql_expr_test"].append({"expr": firing, "eval_time": "45m", "exp_samples": expected})
    tests = tmp_path / "tests.yaml"
    tests.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [case]}))
    run(promtool, "test", "rules", str(tests))


@pytest.mark.parametrize("path", sorted((OPERATOR / "files" / "dashboards").glob("*.json")), ids=lambda path: path.stem)
def test_every_query_of_a_dashboard_is_sound(promtool: str, tmp_path: Path, path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(queries) > 8
    recorded = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries)
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    run(promtool, "check", "rules", str(file))
