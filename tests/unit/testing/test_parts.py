"""What scripts/run_tests.py runs after what, and how it ends. Small programs stand for the parts."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "run_tests.py"
PASSES = "print('3 passed in 0.1s')"
FAILS = "print('1 failed, 2 passed in 0.1s'); raise SystemExit(1)"
PARTS = ("unit", "rest", "cluster", "operator")


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_tests", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["run_tests"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


async def results(script: ModuleType, chosen: tuple[str, ...] = PARTS, **programs: str) -> tuple[bool, dict[str, str]]:
    """Whether all passed, and what each part came to; `programs` are Python, and pass when they are not given."""
    parts = script.make_parts([])
    for name, part in parts.items():
        key = name.replace(" ", "_")
        part.command = [sys.executable, "-c", programs.get(key, "pass" if name == "control plane" else PASSES)]
    passed = await script.run(parts, chosen)
    return passed, {name: part.result for name, part in parts.items()}


async def test_all_parts_run_and_report_their_counts(script: ModuleType) -> None:
    passed, outcomes = await results(script, rest="print('2 passed, 1 deselected in 7.00s (0:00:07)')")
    assert passed
    assert outcomes == {
        "control plane": "done",
        "unit": "3 passed",
        "rest": "2 passed, 1 deselected",
        "cluster": "3 passed",
        "operator": "3 passed",
    }


async def test_nothing_follows_when_unit_tests_fail(script: ModuleType) -> None:
    passed, outcomes = await results(script, unit=FAILS, control_plane="import time; time.sleep(600)")
    assert not passed
    assert outcomes["unit"] == "1 failed, 2 passed"
    assert {outcomes[name] for name in ("rest", "cluster", "operator")} == {"not run"}
    assert outcomes["control plane"] not in {"done", "under way"}


async def test_without_a_control_plane_the_rest_is_run_and_the_run_fails(script: ModuleType) -> None:
    passed, outcomes = await results(script, control_plane="raise SystemExit(1)")
    assert not passed
    assert (outcomes["control plane"], outcomes["unit"], outcomes["rest"]) == ("exit 1", "3 passed", "3 passed")
    assert (outcomes["cluster"], outcomes["operator"]) == ("not run", "not run")


@pytest.mark.parametrize("failing", ["rest", "cluster", "operator"])
async def test_one_part_that_fails_fails_the_run_and_the_others_run(script: ModuleType, failing: str) -> None:
    passed, outcomes = await results(script, **{failing: FAILS})
    assert not passed
    assert outcomes.pop(failing) == "1 failed, 2 passed"
    assert outcomes == {"control plane": "done"} | dict.fromkeys(outcomes.keys() - {"control plane"}, "3 passed")


async def began(script: ModuleType, tmp_path: Path) -> dict[str, list[float]]:
    """When each part began and ended."""
    program = (
        "import time; times = [time.monotonic()]; time.sleep(0.5); times.append(time.monotonic());"
        "open({file!r}, 'w').write(' '.join(map(str, times)))"
    )
    await results(script, **{name: program.format(file=str(tmp_path / name)) for name in PARTS})
    return {name: [float(each) for each in (tmp_path / name).read_text().split()] for name in PARTS}


async def test_two_parts_run_at_a_time(script: ModuleType, tmp_path: Path) -> None:
    times = await began(script, tmp_path)
    assert times["unit"][1] <= min(times["rest"][0], times["cluster"][0])
    assert times["rest"][1] <= times["operator"][0]


async def test_on_a_cluster_of_the_users_its_parts_never_meet(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLEAD_TEST_KUBECONFIG", "/somewhere")
    times = await began(script, tmp_path)
    assert times["cluster"][1] <= times["operator"][0]


async def test_a_part_alone_waits_for_nothing(script: ModuleType) -> None:
    passed, outcomes = await results(script, ("rest",), unit=FAILS, control_plane=FAILS)
    assert passed
    assert outcomes.pop("rest") == "3 passed"
    assert {*outcomes.values()} == {"not run"}


async def test_a_part_that_ends_without_output_has_failed(script: ModuleType) -> None:
    passed, outcomes = await results(script, ("unit",), unit="import os; os.kill(os.getpid(), 9)")
    assert not passed
    assert outcomes["unit"] == "exit -9"


async def test_the_summary_adds_up_the_thorough_cases(script: ModuleType) -> None:
    parts = script.make_parts([])
    share = "thorough cases: ran {} / {} (third 2 of 3, which rotates with the commit)"
    parts["rest"].output, parts["cluster"].output = share.format(1, 4), share.format(20, 60)
    text = script.summary(parts, 12.0, ["--random-order-seed=7"])
    assert "thorough cases: ran 21 / 64 (third 2 of 3, which rotates with the commit)" in text
    assert "--random-order-seed=7" in text


@pytest.mark.parametrize("wrong", [["units"], ["unit", "rest", "all"]])
def test_an_unknown_part_is_refused_with_the_known_ones(script: ModuleType, wrong: list[str]) -> None:
    done = subprocess.run([sys.executable, SCRIPT, *wrong], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"no such part: {wrong[-1]}; there are unit, rest, cluster, operator" in done.stderr


def test_a_shuffled_run_names_the_seed_for_all_parts(script: ModuleType) -> None:
    [shuffled, seed] = script.pytest_options(script.parse(["--shuffle"]))
    assert shuffled == "--random-order"
    number = seed.removeprefix("--random-order-seed=")
    assert script.pytest_options(script.parse(["--seed", number])) == [shuffled, seed]


INTERRUPTED = """
import asyncio, importlib.util, sys
spec = importlib.util.spec_from_file_location("run_tests", {script!r})
run_tests = sys.modules["run_tests"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_tests)
program = "import os, time; print(os.getpid(), file=open({pid!r}, 'w', 1)); time.sleep(600)"
run_tests.PYTEST = (sys.executable, "-c", program)
sys.exit(asyncio.run(run_tests.main(["unit"])))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interruption_ends_the_parts_and_exits_130(tmp_path: Path, number: signal.Signals) -> None:
    pid = tmp_path / "pid"
    program = INTERRUPTED.format(script=str(SCRIPT), pid=str(pid))
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (pid.exists() and pid.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert "unit" in output
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
