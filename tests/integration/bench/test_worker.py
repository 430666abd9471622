"""The worker's bench: each event is counted, and one that fails ends the run with its cause."""

import dataclasses
from pathlib import Path

import msgspec
import pytest
from bench.errors import Failed
from bench.worker import applied, bare, kinds
from bench.worker.kinds import KINDS

from fairlead_workload.process import garbage

COUNT = 300


@pytest.fixture(autouse=True)
def garbage_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the garbage collector of the tests alone."""
    monkeypatch.setattr(garbage, "freeze_gc", lambda: None)


@pytest.mark.parametrize("name", ["creates", "creates-set", "updates", "updates-set"])
async def test_both_sides_apply_the_same_number_of_events(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    ours = await applied.measure(kind, COUNT, tmp_path)
    assert ours.events == bare.measure(kind, COUNT, tmp_path).events == COUNT * kind.events_each


def test_popular_documents_get_most_of_the_updates_and_the_same_each_time() -> None:
    first, second = ([message.key for message in kinds.written(KINDS["mixed"], 1000)] for _ in range(2))
    assert first == second
    assert first.count("orders/00000000-0000-7000-8000-000000000000") > 100


async def test_a_write_that_fails_ends_the_run_with_what_its_operation_says(tmp_path: Path) -> None:
    messages = kinds.written(KINDS["creates"], COUNT)
    twice = msgspec.json.decode(messages[99].body)["data"]["key"]
    messages[100] = dataclasses.replace(messages[100], body=changed(messages[100].body, key=twice))
    with pytest.raises(Failed, match=r"1 orders\.create \(client_error\)\n.*exists"):
        await applied.measure(KINDS["creates"], COUNT, tmp_path, messages=messages)


async def test_a_dead_letter_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    messages = kinds.written(KINDS["creates"], COUNT)
    messages[100] = dataclasses.replace(messages[100], body=b"no event")
    with pytest.raises(Failed, match=r"(?s)dead letter, Undecodable.*the first dead letter: orders/"):
        await applied.measure(KINDS["creates"], COUNT, tmp_path, messages=messages)


async def test_a_run_that_does_not_end_is_ended_by_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applied, "deadline_seconds", lambda _: 0.0)
    with pytest.raises(Failed, match="not done at the deadline"):
        await applied.measure(KINDS["creates"], COUNT, tmp_path)


def changed(body: bytes, **properties: object) -> bytes:
    event = msgspec.json.decode(body)
    event["data"] |= properties
    return msgspec.json.encode(event)
