"""What tests/conftest.py does for every test, seen in a pytest of its own."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FORGETS = """
class Box:
    pass

def test_that_forgets():
    box = Box()
    box.itself = box  # only the collector can free it
    box.forgotten = {forgotten}

def test_that_is_innocent():
    pass
"""
FORGOTTEN = {
    "a file": "open(__file__)",
    "a pipe": "__import__('subprocess').Popen(['true'], stdout=-1)",
    "a socket": "__import__('socket').socket()",
}
SIGNALS = """
import signal

def test_signals():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
"""
MATRIX = """
import pytest

@pytest.mark.thorough
@pytest.mark.parametrize("number", range(7))
def test_case(number):
    pass

def test_with_cases_inside(share):
    print("inside", share.pick(list("abcde")))

def test_without():
    pass
"""
GROUP = """
import pytest

@pytest.mark.xdist_group("server")
@pytest.mark.parametrize("number", range(12))
def test_on_the_server(number, worker_id):
    print("ran in", worker_id)

@pytest.mark.parametrize("number", range(12))
def test_elsewhere(number):
    pass
"""


def run_pytest(
    folder: Path, text: str, *options: str, third: str = "1", before: Callable[[], None] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the tests of `text` with this project's settings; `before` is called in the child first."""
    file = folder / "test_it.py"
    file.write_text(text)
    settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), "-p", "tests.conftest"]
    command = [sys.executable, "-m", "pytest", *settings, "-p", "no:cacheprovider", "-rA", *options, str(file)]
    variables = {"PATH": "/usr/bin:/bin", "FAIRLEAD_TEST_THIRD": third}
    return subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120, preexec_fn=before
    )


@pytest.mark.parametrize("forgotten", FORGOTTEN.values(), ids=FORGOTTEN)
def test_who_forgets_to_close_something_fails_and_nobody_else(tmp_path: Path, forgotten: str) -> None:
    done = run_pytest(tmp_path, FORGETS.format(forgotten=forgotten))
    assert done.returncode == 1, done.stdout
    assert re.findall(r"^ERROR .*::(\w+)", done.stdout, re.MULTILINE) == ["test_that_forgets"]
    assert "ResourceWarning" in done.stdout


def test_signals_that_the_parent_ignores_or_blocks_reach_the_tests(tmp_path: Path) -> None:
    def ignore_and_block() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD})

    done = run_pytest(tmp_path, SIGNALS, before=ignore_and_block)
    assert done.returncode == 0, done.stdout


def cases_of(output: str) -> tuple[set[int], set[str]]:
    """Which tests of the matrix ran, and which cases inside of one."""
    inside = re.search(r"^inside \[(.*)\]$", output, re.MULTILINE)
    assert inside
    tests = {int(number) for number in re.findall(r"^PASSED .*test_case\[(\d)\]", output, re.MULTILINE)}
    return tests, set(re.findall(r"\w", inside[1]))


def test_three_runs_meet_each_case_of_a_matrix_once(tmp_path: Path) -> None:
    tests: list[int] = []
    inside: list[str] = []
    for third in ("1", "2", "3"):
        done = run_pytest(tmp_path, MATRIX, third=third)
        ran, picked = cases_of(done.stdout)
        assert f"thorough cases: ran {len(ran) + len(picked)} / 12 (third {third} of 3" in done.stdout
        tests += ran
        inside += picked
    assert sorted(tests) == [*range(7)]
    assert sorted(inside) == [*"abcde"]


def test_a_thorough_run_meets_all(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, MATRIX, "--thorough")
    assert cases_of(done.stdout) == ({*range(7)}, {*"abcde"})
    assert "thorough cases: ran 12 / 12 (all)" in done.stdout


def test_two_processes_count_each_case_once(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, MATRIX, "-n", "2")
    assert "thorough cases: ran 5 / 12 (third 1 of 3" in done.stdout
    assert "5 passed" in done.stdout


def test_tests_of_one_group_run_in_one_process(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, GROUP, "-n", "2", "--dist", "loadgroup")
    assert "24 passed" in done.stdout
    assert len(set(re.findall(r"ran in (gw\d)", done.stdout))) == 1


def test_a_third_that_there_is_not_is_refused(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, MATRIX, third="4")
    assert done.returncode != 0
    assert "FAIRLEAD_TEST_THIRD is '4'; it must be 1, 2 or 3" in done.stdout + done.stderr
