"""What checkers of others say of everything that is applied to a cluster: nothing, but for what exceptions.yaml has.

The children of every golden case, what would tear them down, and what the charts render to.
"""

import json
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
PLANS = ROOT / "tests" / "golden" / "plan"
CHILDREN = sorted([*PLANS.glob("*/children.yaml"), *PLANS.glob("*/teardown.yaml")])
CHARTS = sorted((ROOT / "tests" / "cluster" / "charts" / "golden").glob("*.yaml"))
FAIRLEAD = Path(sys.executable).parent / "fairlead"
EXCEPTIONS: dict[str, dict[str, dict[str, str]]] = yaml.safe_load((HERE / "exceptions.yaml").read_text())
FIRST_RUN_SECONDS = 900  # checkov is downloaded then
Found = dict[str, list[str]]


def run(*command: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=FIRST_RUN_SECONDS, **more
    )


def excepted(found: Found, allowed: dict[str, str]) -> None:
    """Every finding is excepted, every exception is needed, and says why."""
    assert {check: places for check, places in found.items() if check not in allowed} == {}
    assert set(allowed) - set(found) == set(), "an exception that is no longer needed"
    assert all(reason.strip() for reason in allowed.values())


def test_kubeconform_takes_what_is_rendered_for_the_example(checkers: dict[str, Path], schemas: str) -> None:
    rendered = run(FAIRLEAD, "render", "-f", ROOT / "examples" / "orders.yaml", check=True).stdout
    done = run(checkers["kubeconform"], "-strict", "-summary", "-schema-location", schemas, input=rendered)
    assert done.returncode == 0, done.stdout
    assert "Invalid: 0, Errors: 0, Skipped: 0" in done.stdout
    broken = rendered.replace("automountServiceAccountToken", "automountServiceAccountTokens")
    done = run(checkers["kubeconform"], "-strict", "-schema-location", schemas, input=broken)
    assert done.returncode == 1, "it would not find a typo"


def test_kubeconform_takes_every_child_every_chart_and_every_resource(checkers: dict[str, Path], schemas: str) -> None:
    resources = [*PLANS.glob("*/resource.yaml"), *PLANS.glob("*/class.yaml"), *(ROOT / "examples").glob("*.yaml")]
    command = [checkers["kubeconform"], "-strict", "-summary", "-schema-location", schemas]
    done = run(*command, *CHILDREN, *CHARTS, *resources)
    assert done.returncode == 0, done.stdout
    assert "Invalid: 0, Errors: 0, Skipped: 0" in done.stdout


def test_kube_score_finds_nothing_in_children(checkers: dict[str, Path]) -> None:
    found: Found = defaultdict(list)
    for scored in json.loads(run(checkers["kube-score"], "score", "--output-format", "json", *CHILDREN).stdout):
        for each in scored["checks"]:
            if not each["skipped"] and each["grade"] < 10:
                found[each["check"]["id"]].append(f"{scored['object_name']}: {each['comments']}")
    excepted(found, EXCEPTIONS["kube-score"]["children"])


@pytest.fixture(scope="module")
def checkov(uv: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """What checkov finds in the charts and in the children, by its check. One run: its start is what takes long."""
    folder = tmp_path_factory.mktemp("checkov")
    for file in CHARTS:
        shutil.copy(file, folder / f"charts-{file.name}")
    for file in CHILDREN:
        shutil.copy(file, folder / f"children-{file.parent.name}-{file.name}")
    isolated = [uv, "run", "--no-project", "--isolated", "--with-requirements", HERE / "checkov.txt"]
    options = ["--framework", "kubernetes", "--compact", "--quiet", "--skip-download", "--output", "json"]
    done = run(*isolated, "checkov", "--directory", folder, *options)
    assert done.returncode in {0, 1}, done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["resource_count"] > 500
    found: dict[str, Found] = {"charts": defaultdict(list), "children": defaultdict(list)}
    for each in report["results"]["failed_checks"]:
        part, _, case = Path(each["file_path"]).name.partition("-")
        found[part][each["check_id"]].append(f"{case}: {each['resource']}: {each['check_name']}")
    return found


@pytest.mark.parametrize("part", ["charts", "children"])
def test_checkov_finds_nothing_in(part: str, checkov: dict[str, Found]) -> None:
    excepted(checkov[part], EXCEPTIONS["checkov"][part])
