"""`fairlead dlq` on a real database: what is chosen, what is said, what is left."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.resources import QUEUE, service

from fairlead_cli.dlq import commands, dead_letters
from fairlead_cli.dlq.dead_letters import Target, carry_out
from fairlead_cli.run import embedded
from fairlead_workload.adapters import Surroundings, opened
from fairlead_workload.events.redaction import Hidden
from fairlead_workload.queues.base import DeadLetters, Failure, LetterFilter, Message, Queue

YAML = """
apiVersion: fairlead.dev/v1alpha1
kind: ApiService
metadata: {name: NAME, namespace: shop}
spec:
  api: {resources: [{name: things, key: {partition: id}, schema: {type: object, properties: {id: {type: string}}}}]}
  datastore: {type: SQLite}
  queue: {type: SQLite}
"""


@pytest.fixture
async def target(tmp_path: Path) -> Target:
    """A service with the dead letters a (http-402) and b (schema)."""
    return await service_with_dead_letters(tmp_path, a="http-402", b="schema")


async def service_with_dead_letters(tmp_path: Path, **codes: str) -> Target:
    """A service with a dead letter for each document that is named, because of this code."""
    (tmp_path / "a.yaml").write_text(YAML.replace("NAME", "things"))
    async with opened(embedded.embed(service(queue=QUEUE)), Surroundings(tmp_path / "data")) as adapters:
        assert adapters.queue is not None
        for name, code in codes.items():
            await adapters.queue.publish([Message(name, f"things/{name}", b'{"n": 1}')])
            (delivery,) = await adapters.queue.receive(1, wait_seconds=1)
            now = time.time() - 60
            failure = Failure("Rejected", code, "no", 1, now, now, "1.0", event_type="things.created")
            await adapters.queue.dead_letter(delivery, failure)
    return Target([str(tmp_path / "a.yaml")], False, None, tmp_path / "data")


def listed(target: Target, capsys: pytest.CaptureFixture[str], match: LetterFilter | None = None) -> list[str]:
    capsys.readouterr()
    asked = match or LetterFilter()
    assert carry_out(target, lambda q, hidden: dead_letters.show_list(q, asked, hidden, most=100, output="json")) == 0
    return [item["key"] for item in json.loads(capsys.readouterr().out)["items"]]


def test_letters_are_listed_by_filter(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(target, capsys) == ["things/a", "things/b"]
    assert listed(target, capsys, LetterFilter(error_code="schema")) == ["things/b"]
    assert listed(target, capsys, LetterFilter(since=time.time())) == []


def test_a_table_for_programs_is_not_cut(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        carry_out(target, lambda q, hidden: dead_letters.show_list(q, LetterFilter(), hidden, most=1, output="table"))
        == 0
    )
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2
    assert "http-402" in printed.out
    assert "there are more than 1; see more with --max" in printed.err


def test_a_dry_run_changes_nothing(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    every = LetterFilter()
    assert (
        carry_out(target, lambda q, _: dead_letters.redrive(q, every, most=None, rate_per_second=1000, dry_run=True))
        == 0
    )
    assert "2 dead letters would be redriven" in capsys.readouterr().err
    assert listed(target, capsys) == ["things/a", "things/b"]


def test_redriven_letters_are_gone(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    asked = LetterFilter(error_code="http-402")
    assert (
        carry_out(target, lambda q, _: dead_letters.redrive(q, asked, most=None, rate_per_second=1000, dry_run=False))
        == 0
    )
    assert "1 dead letter redriven" in capsys.readouterr().err
    assert listed(target, capsys) == ["things/b"]


def test_nothing_is_purged_without_yes(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    every = LetterFilter()
    assert carry_out(target, lambda q, _: dead_letters.purge(q, every, most=1, dry_run=False, sure=False)) == 1
    assert "1 dead letter would be purged; nothing is without --yes" in capsys.readouterr().err
    assert carry_out(target, lambda q, _: dead_letters.purge(q, every, most=1, dry_run=False, sure=True)) == 0
    assert listed(target, capsys) == ["things/b"]


Work = Callable[[DeadLetters, LetterFilter, Hidden], Awaitable[int]]
BY_ID: dict[str, Work] = {
    "list": lambda queue, match, hidden: dead_letters.show_list(queue, match, hidden, most=1, output="table"),
    "show": lambda queue, match, hidden: dead_letters.show_in_full(queue, match, hidden, output="table"),
    "redrive": lambda queue, match, _: dead_letters.redrive(queue, match, most=1, rate_per_second=1000, dry_run=False),
    "redrive --dry-run": lambda queue, match, _: dead_letters.redrive(
        queue, match, most=1, rate_per_second=1000, dry_run=True
    ),
    "purge --yes": lambda queue, match, _: dead_letters.purge(queue, match, most=1, dry_run=False, sure=True),
    "purge --dry-run": lambda queue, match, _: dead_letters.purge(queue, match, most=1, dry_run=True, sure=False),
    "purge": lambda queue, match, _: dead_letters.purge(queue, match, most=1, dry_run=False, sure=False),
}


@pytest.mark.parametrize("key", ["things/a/b", "things/a%2Fb"])
async def test_a_key_is_taken_plain_and_as_it_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    await service_with_dead_letters(tmp_path, **{"a%2Fb": "schema", "b": "schema"})
    where = ["-f", str(tmp_path / "a.yaml"), "--data-dir", str(tmp_path / "data")]
    arguments = ["list", *where, "--key", key, "--output", "json"]
    assert await asyncio.to_thread(commands.app, arguments, standalone_mode=False) == 0
    assert [item["key"] for item in json.loads(capsys.readouterr().out)["items"]] == ["things/a%2Fb"]


@pytest.mark.parametrize("command", BY_ID)
@pytest.mark.parametrize("unknown", ["unknown", "3", "01", "-1"])
def test_an_unknown_id_is_named_and_the_known_one_is_served(
    target: Target, capsys: pytest.CaptureFixture[str], command: str, unknown: str
) -> None:
    asked = LetterFilter(ids=("1", unknown))
    assert carry_out(target, lambda queue, hidden: BY_ID[command](queue, asked, hidden)) == 1
    assert f"there is no dead letter {unknown} that matches" in capsys.readouterr().err
    assert listed(target, capsys) == (
        ["things/b"] if command in {"redrive", "purge --yes"} else ["things/a", "things/b"]
    )


@pytest.mark.parametrize("command", [command for command in BY_ID if command != "purge"])
def test_known_ids_are_a_success(target: Target, command: str) -> None:
    asked = LetterFilter(ids=("1", "2"))
    assert carry_out(target, lambda queue, hidden: BY_ID[command](queue, asked, hidden)) == 0


def test_an_id_that_another_filter_leaves_out_is_named(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    asked = LetterFilter(ids=("1", "2"), error_code="schema")
    assert carry_out(target, lambda queue, hidden: BY_ID["redrive"](queue, asked, hidden)) == 1
    assert "there is no dead letter 1 that matches" in capsys.readouterr().err
    assert listed(target, capsys) == ["things/a"]


def test_a_filter_that_nothing_matches_is_no_failure(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    asked = LetterFilter(error_code="http-418")
    assert carry_out(target, lambda queue, hidden: BY_ID["redrive"](queue, asked, hidden)) == 0
    assert "0 dead letters redriven" in capsys.readouterr().err


def test_one_in_full_shows_the_event_and_a_missing_one_is_named(
    target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    none = LetterFilter(ids=("none",))
    assert carry_out(target, lambda q, hidden: dead_letters.show_in_full(q, none, hidden, output="table")) == 1
    assert "there is no dead letter none that matches" in capsys.readouterr().err


SECRET = "hunter2"
EVENTS = {
    "a command": ("users.create", {"key": ["1"], "at": 0, "body": {"id": "1", "password": SECRET}}, False),
    "a patch": ("users.patch", {"key": ["1"], "at": 0, "body": {"password": SECRET}}, False),
    "a deletion": ("users.delete", {"key": ["1"], "at": 0}, False),
    "a fact": ("users.created", {"id": "1", "password": SECRET}, False),
    "an event of a handler": ("users.confirmed", {"id": "1", "password": SECRET}, False),
    "another resource": ("things.created", {"id": "1", "password": SECRET}, True),
    "no document": ("users.created", [SECRET], True),
    "no type": (None, {"password": SECRET}, True),
}


@pytest.mark.parametrize("case", EVENTS)
@pytest.mark.parametrize("output", ["table", "json"])
async def test_what_is_write_only_is_not_shown(
    case: str, output: dead_letters.Output, capsys: Any, tmp_path: Path
) -> None:
    type_, data, is_shown = EVENTS[case]
    body = json.dumps({"id": "1", "type": type_, "specversion": "1.0", "data": data}).encode()
    async with opened(embedded.embed(service(queue=QUEUE)), Surroundings(tmp_path)) as adapters:
        queue = adapters.queue
        assert isinstance(queue, DeadLetters)
        assert isinstance(queue, Queue)
        await queue.publish([Message("a", "users/1", body)])
        (delivery,) = await queue.receive(1, wait_seconds=1)
        await queue.dead_letter(delivery, Failure("Rejected", "no", "no", 1, 0, 0, "1.0"))
        hidden = {"users": frozenset({"password"})}
        await dead_letters.show_in_full(queue, LetterFilter(), hidden, output=output)
        await dead_letters.show_list(queue, LetterFilter(), hidden, most=9, output=output)
        assert (SECRET in capsys.readouterr().out) is is_shown
        (letter,) = [letter async for letter in queue.scan(LetterFilter())]
        assert letter.message.body == body, "what is stored keeps what it needs"


@pytest.mark.parametrize(
    ("names", "name", "said"),
    [
        (("things", "others"), None, "several ApiServices are here; choose one with --name: shop/things, shop/others"),
        (("things",), "thing", "no ApiService `thing` is here; there are: shop/things"),
        (("things",), None, "there is no database"),
    ],
)
def test_what_is_meant_must_be_clear(
    names: tuple[str, ...], name: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text("---".join(YAML.replace("NAME", each) for each in names))
    target = Target([str(tmp_path / "a.yaml")], False, name, tmp_path / "data")
    assert (
        carry_out(target, lambda q, hidden: dead_letters.show_list(q, LetterFilter(), hidden, most=1, output="table"))
        == 1
    )
    assert said in capsys.readouterr().err
