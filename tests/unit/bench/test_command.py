"""Which parts and cases a command line chooses, and what is refused."""

from pathlib import Path

import pytest
from bench import command, machine
from bench.api.cases import CASES
from bench.errors import Failed
from bench.machine import Cores
from bench.postgresql.cases import CASES as POSTGRESQL
from bench.worker.kinds import KINDS

ALL = ("api", "worker", "postgresql", "start", "scale")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ALL),
        (["api"], ("api",)),
        (["worker", "api"], ("api", "worker")),
        (["start", "scale", "start"], ("start", "scale")),
        (["--cases", "get"], ("api",)),
        (["--cases", "get,mixed"], ("api", "worker")),
        (["--cases", "pg-put"], ("postgresql",)),
        (["--pairs", "2", "--seconds", "1", "worker"], ("worker",)),
    ],
)
def test_parts_are_chosen_by_name_and_run_in_their_own_order(arguments: list[str], parts: tuple[str, ...]) -> None:
    assert command.parse(arguments).parts == parts


def test_without_a_choice_every_case_is_measured() -> None:
    assert command.parse([]).cases == {
        "api": tuple(CASES),
        "worker": tuple(KINDS),
        "postgresql": tuple(POSTGRESQL),
    }


def test_cases_are_chosen_by_name() -> None:
    chosen = command.parse(["--cases", "put,get,mixed"]).cases
    assert chosen == {"api": ("get", "put"), "worker": ("mixed",), "postgresql": ()}


def test_a_figure_is_of_at_least_ten_pairs_unless_asked_otherwise() -> None:
    assert command.parse([]).pairs == 10
    assert command.parse(["--pairs", "2"]).pairs == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["apy"], "unknown part: apy"),
        (["api", "operator"], "unknown part: operator"),
        (["--pair", "2"], "unrecognized arguments: --pair"),
        (["--cases", "gets"], "unknown case: gets"),
        (["worker", "--cases", "get"], "unknown case: get"),
        (["--minutes", "0"], "argument --minutes: invalid"),
        (["--pairs", "0"], "argument --pairs: invalid"),
        (["--sizes", "100,many"], "argument --sizes: invalid"),
    ],
)
def test_what_is_not_known_ends_with_status_2_and_the_parts(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.parse(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert reason in printed
    assert all(f"\n  {part} " in printed for part in ALL)


def test_help_lists_parts_and_cases(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.parse(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"\n  {part} " in printed for part in ALL)
    assert "post-key" in printed


def test_a_machine_with_one_core_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3})
    with pytest.raises(Failed, match="one core only"):
        machine.two_cores()


def test_server_and_load_have_the_first_two_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {7, 4, 5})
    assert machine.two_cores() == Cores(server=4, load=5)


def test_usage_is_the_share_of_time_that_was_not_idle() -> None:
    before = {0: [0] * 8, 1: [0] * 8}
    after = {0: [60, 0, 20, 10, 0, 0, 0, 10], 1: [0, 0, 0, 90, 10, 0, 0, 0]}
    found = machine.usage(before, after)
    assert found.busy == {0: 0.9, 1: 0.0}
    assert found.steal == 0.05


def test_a_figure_is_cited_with_its_command_and_commit(tmp_path: Path) -> None:
    described = machine.description("python -m bench api", tmp_path)
    assert "command    python -m bench api" in described
    assert "commit " in described
