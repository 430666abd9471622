"""What kopf brings, beside what the metadata of the same objects say there is."""

from typing import Any

import orjson
import pytest

from fairlead_operator.cache.records import CachedResource, Name
from fairlead_operator.cache.store import Store
from fairlead_operator.front import intake as module
from fairlead_operator.front.intake import Intake, Seen
from fairlead_operator.kube import kinds

ORDERS = ("shop", "orders")
PATIENCE = 2.0


class Desk:
    """Arrivals with a clock of their own, and the steps of the scenarios below."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.changes: list[tuple[Name, int | None]] = []
        self.store = Store[CachedResource](
            lambda name, _, after: self.changes.append((name, after.version if after else None))
        )
        self.intakes = Intake(kinds.API_SERVICE, self.store, clock=lambda: self.now)

    def line(self, event: str, version: int, name: str = "orders") -> bytes:
        """A line of kopf's watch, read by it; the handler has not been called."""
        return self.intakes.pass_on(orjson.dumps({"type": event, "object": live(version, name)}))

    def kopf(self, event: str | None, version: int, name: str = "orders") -> None:
        """The handler is called."""
        self.intakes.take(event, live(version, name))

    def metadata(self, version: int, name: str = "orders") -> None:
        """The informer of metadata learns of an object."""
        self.intakes.seen.put(("shop", name), Seen.read(live(version, name)))

    def metadata_gone(self, version: int, name: str = "orders") -> None:
        self.intakes.seen.remove(("shop", name), version=version)

    def due(self, *, after: float = 0.0) -> list[Name]:
        """What is due so many seconds later, by looks a quarter of a second apart."""
        due = self.intakes.due(patience_seconds=PATIENCE)
        for _ in range(int(after / 0.25)):
            self.now += 0.25
            due = self.intakes.due(patience_seconds=PATIENCE)
        return due

    @property
    def known(self) -> int | None:
        record = self.store.get(ORDERS)
        return record.version if record else None


def live(version: int, name: str = "orders") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-of-{name}", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"version": version}}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_edit_arrives_by_kopf_alone(desk: Desk) -> None:
    desk.metadata(7)
    assert desk.known is None
    desk.kopf("ADDED", 7)
    assert desk.known == 7
    assert desk.due(after=60.0) == []


def test_without_metadata_an_edit_arrives_too(desk: Desk) -> None:
    desk.metadata(5)
    desk.kopf(None, 5)
    desk.kopf("MODIFIED", 7)
    assert (desk.known, desk.due(after=60.0)) == (7, [])


def test_what_only_a_list_has_shown_is_unconfirmed(desk: Desk) -> None:
    desk.kopf(None, 7)
    assert desk.store.is_unconfirmed(ORDERS)
    desk.kopf("MODIFIED", 8)
    assert not desk.store.is_unconfirmed(ORDERS)
    desk.kopf(None, 8)
    assert not desk.store.is_unconfirmed(ORDERS)


@pytest.mark.parametrize("event", ["ADDED", "BOOKMARK"])
def test_what_kopf_was_carried_past_is_due(desk: Desk, event: str) -> None:
    desk.metadata(7)
    assert desk.due() == []
    desk.line(event, 9, "other")
    assert desk.due(after=0.5) == []
    assert desk.due(after=module.PASSED_SECONDS) == [ORDERS]


def test_what_kopf_is_silent_about_is_due(desk: Desk) -> None:
    desk.kopf("ADDED", 5)
    desk.metadata(7)
    assert desk.due(after=PATIENCE - 0.25) == []
    assert desk.due(after=0.5) == [ORDERS]


def test_what_kopf_has_read_is_not_due_while_it_is_busy(desk: Desk) -> None:
    desk.metadata(7)
    desk.line("ADDED", 7)
    desk.line("ADDED", 9, "other")
    assert desk.due(after=module.HELD_SECONDS - 0.5) == []
    assert desk.due(after=1.0) == [ORDERS]


def test_a_busy_kopf_that_brings_others_is_not_behind(desk: Desk) -> None:
    for version in range(20, 40):
        desk.metadata(100 + version, f"late-{version}")
    for version in range(20, 40):
        desk.kopf(None, 100 + version, f"late-{version}")
        assert desk.due(after=1.5) == []


def test_an_answer_to_our_own_write_settles_a_difference(desk: Desk) -> None:
    desk.kopf("ADDED", 5)
    desk.metadata(7)
    desk.store.put(ORDERS, CachedResource.read(live(7)), silent=True)
    assert desk.due(after=60.0) == []


def test_an_echo_is_a_bookmark_to_kopf(desk: Desk) -> None:
    desk.store.put(ORDERS, CachedResource.read(live(7)), silent=True)
    echo = orjson.loads(desk.line("MODIFIED", 7))
    assert echo == {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}}
    news = orjson.loads(desk.line("MODIFIED", 8))
    assert (news["type"], news["object"]) == ("MODIFIED", live(8))


def test_another_object_of_the_name_is_no_echo(desk: Desk) -> None:
    desk.store.put(ORDERS, CachedResource.read(live(7)), silent=True)
    other = live(7)
    other["metadata"]["uid"] = "another"
    line = orjson.dumps({"type": "ADDED", "object": other})
    assert desk.intakes.pass_on(line) == line


def test_a_deletion_that_only_the_metadata_show_is_noticed(desk: Desk) -> None:
    desk.kopf("ADDED", 5)
    desk.metadata(5)
    desk.metadata_gone(8)
    assert desk.known is None
    assert desk.changes == [(ORDERS, 5), (ORDERS, None)]
    desk.kopf("MODIFIED", 7)
    assert desk.known is None, "what is reported late brings nothing back"
    assert desk.due(after=60.0) == []


def test_a_deletion_that_a_list_of_metadata_shows_is_noticed(desk: Desk) -> None:
    desk.kopf("ADDED", 5)
    desk.metadata(5)
    desk.intakes.seen.replace([], version=20)
    assert desk.known is None
    desk.kopf(None, 21)
    assert desk.known == 21


def test_of_a_kind_that_is_not_served_any_more_nothing_is_left(desk: Desk) -> None:
    desk.metadata(5)
    desk.kopf("ADDED", 7)
    desk.intakes.seen.clear()
    assert desk.known == 7
    assert desk.due(after=module.UNCONFIRMED_SECONDS) == [ORDERS]
    assert not desk.intakes.looked(ORDERS, None)
    assert (desk.known, desk.due(after=60.0)) == (None, [])


def test_a_new_object_that_the_metadata_do_not_show_is_looked_at_once(desk: Desk) -> None:
    desk.kopf("ADDED", 7)
    assert desk.due(after=module.UNCONFIRMED_SECONDS) == [ORDERS]
    assert not desk.intakes.looked(ORDERS, live(7))
    assert (desk.known, desk.due(after=60.0)) == (7, [])


def test_what_a_look_finds_is_taken_in_and_counts_as_missed(desk: Desk) -> None:
    desk.kopf("ADDED", 5)
    desk.metadata(7)
    assert desk.intakes.looked(ORDERS, live(8))
    assert desk.known == 8
    assert desk.due(after=60.0) == []


def test_a_look_in_vain_is_repeated_and_holds_nothing_up(desk: Desk) -> None:
    desk.metadata(7)
    desk.intakes.note_completion()
    assert not desk.intakes.complete.is_set()
    assert desk.due(after=3.0) == [ORDERS]
    desk.intakes.not_answered(ORDERS)
    desk.intakes.note_completion()
    assert desk.intakes.complete.is_set()
    assert desk.due() == []
    assert desk.due(after=3.0) == [ORDERS]


def test_it_is_complete_when_all_that_was_listed_was_brought(desk: Desk) -> None:
    desk.metadata(5)
    desk.metadata(6, "other")
    desk.kopf(None, 5)
    desk.intakes.note_completion()
    assert not desk.intakes.complete.is_set()
    desk.kopf(None, 6, "other")
    desk.intakes.note_completion()
    assert desk.intakes.complete.is_set()


def test_versions_of_what_went_are_forgotten_in_the_end(desk: Desk) -> None:
    desk.kopf("ADDED", 5)
    desk.kopf("DELETED", 6)
    desk.kopf("ADDED", 9, "other")
    for _ in range(3):
        assert desk.store.deleted_at(ORDERS) == 6
        desk.now += module.REMEMBERED_SECONDS
        desk.due()
        desk.kopf("MODIFIED", int(desk.now), "other")
        if desk.store.deleted_at(ORDERS) == 0:
            break
    assert desk.store.deleted_at(ORDERS) == 0
