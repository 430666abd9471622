"""`fairlead dlq` on a real database: what is chosen, what is said, what is left."""

import json
import time
from pathlib import Path

import pytest
from tests.unit.cli.resources import QUEUE, service

from fairlead_cli import embedded, letters
from fairlead_cli.letters import Target, carry_out
from fairlead_workload.queues.base import Failure, LetterFilter, Message
from fairlead_workload.storage import open_storage

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
    (tmp_path / "a.yaml").write_text(YAML.replace("NAME", "things"))
    storage = open_storage(embedded.embed(service(queue=QUEUE)), data_dir=tmp_path / "data")
    assert storage.queue is not None
    for name, code in (("a", "http-402"), ("b", "schema")):
        await storage.queue.publish([Message(name, f"things/{name}", b'{"n": 1}')])
        (delivery,) = await storage.queue.receive(1, wait_seconds=1)
        now = time.time() - 60
        failure = Failure("Rejected", code, "no", 1, now, now, "1.0", event_type="things.created")
        await storage.queue.dead_letter(delivery, failure)
    await storage.close()
    return Target([str(tmp_path / "a.yaml")], False, None, tmp_path / "data")


def listed(target: Target, capsys: pytest.CaptureFixture[str], match: LetterFilter | None = None) -> list[str]:
    capsys.readouterr()
    asked = match or LetterFilter()
    assert carry_out(target, lambda queue: letters.show_list(queue, asked, most=100, output="json")) == 0
    return [item["key"] for item in json.loads(capsys.readouterr().out)["items"]]


def test_letters_are_listed_by_filter(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(target, capsys) == ["things/a", "things/b"]
    assert listed(target, capsys, LetterFilter(error_code="schema")) == ["things/b"]
    assert listed(target, capsys, LetterFilter(since=time.time())) == []


def test_a_table_for_programs_is_not_cut(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    assert carry_out(target, lambda queue: letters.show_list(queue, LetterFilter(), most=1, output="table")) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2
    assert "http-402" in printed.out
    assert "there are more than 1; see more with --max" in printed.err


def test_a_dry_run_changes_nothing(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    every = LetterFilter()
    assert carry_out(target, lambda q: letters.redrive(q, every, most=None, rate_per_second=1000, dry_run=True)) == 0
    assert "2 dead letters would be redriven" in capsys.readouterr().err
    assert listed(target, capsys) == ["things/a", "things/b"]


def test_redriven_letters_are_gone(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    asked = LetterFilter(error_code="http-402")
    assert carry_out(target, lambda q: letters.redrive(q, asked, most=None, rate_per_second=1000, dry_run=False)) == 0
    assert "1 dead letter redriven" in capsys.readouterr().err
    assert listed(target, capsys) == ["things/b"]


def test_nothing_is_purged_without_yes(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    every = LetterFilter()
    assert carry_out(target, lambda q: letters.purge(q, every, most=1, dry_run=False, sure=False)) == 1
    assert "1 dead letter would be purged; nothing is without --yes" in capsys.readouterr().err
    assert carry_out(target, lambda q: letters.purge(q, every, most=1, dry_run=False, sure=True)) == 0
    assert listed(target, capsys) == ["things/b"]


def test_one_in_full_shows_the_event_and_a_missing_one_is_named(
    target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carry_out(target, lambda q: letters.show_in_full(q, LetterFilter(ids=("none",)), output="table")) == 1
    assert "there is no dead letter none that matches" in capsys.readouterr().err


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
    assert carry_out(target, lambda q: letters.show_list(q, LetterFilter(), most=1, output="table")) == 1
    assert said in capsys.readouterr().err
