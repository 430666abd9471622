"""Records arrive in any order; the newest is the truth."""

from dataclasses import dataclass

from fairlead_operator.cache.records import Name
from fairlead_operator.cache.store import Store

A: Name = ("shop", "a")
OWNER: Name = ("shop", "orders")


@dataclass(frozen=True)
class Thing:
    uid: str
    version: int
    owner: Name = OWNER


def test_an_older_record_does_not_replace_a_newer_one() -> None:
    store: Store[Thing] = Store()
    store.put(A, Thing("1", 7))
    store.put(A, Thing("1", 5))
    assert store.get(A) == Thing("1", 7)


def test_neither_the_answer_to_a_write_nor_its_event_calls_the_listener() -> None:
    reported: list[int] = []
    store: Store[Thing] = Store(lambda name, before, after: reported.append(after.version if after else 0))
    store.put(A, Thing("1", 7), silent=True)
    store.put(A, Thing("1", 7))
    assert reported == []
    store.put(A, Thing("1", 8))
    assert reported == [8]


def test_what_is_marked_is_found_whatever_has_shown_it() -> None:
    store: Store[Thing] = Store(marks=lambda thing: thing.uid == "marked")
    store.put(A, Thing("marked", 7), silent=True)
    assert store.marked == {A: Thing("marked", 7)}
    store.put(A, Thing("other", 8))
    assert store.marked == {}
    store.put(A, Thing("marked", 9))
    store.remove(A, version=10)
    assert store.marked == {}


def test_a_late_deletion_of_an_older_object_leaves_its_successor() -> None:
    store: Store[Thing] = Store()
    store.put(A, Thing("2", 9))
    store.remove(A, version=8)
    assert store.get(A) == Thing("2", 9)
    store.remove(A, version=10)
    assert store.get(A) is None


def test_a_list_shows_deletions_that_no_watch_has_shown() -> None:
    gone: list[Name] = []
    store: Store[Thing] = Store(lambda name, before, after: gone.append(name) if after is None else None)
    store.put(A, Thing("1", 3))
    store.replace([(("shop", "b"), Thing("2", 4))], version=10)
    assert gone == [A]
    assert list(store) == [("shop", "b")]


def test_a_list_does_not_remove_what_was_made_after_it() -> None:
    store: Store[Thing] = Store()
    store.put(A, Thing("1", 12), silent=True)
    store.replace([], version=10)
    assert store.get(A) == Thing("1", 12)


def test_silent_changes_reach_the_listener_for_all_changes() -> None:
    moves: list[tuple[int, int]] = []

    def moved(_: Name, *states: Thing | None) -> None:
        before, after = (state.version if state else 0 for state in states)
        moves.append((before, after))

    store: Store[Thing] = Store(moved=moved)
    store.put(A, Thing("1", 1), silent=True)
    store.put(A, Thing("1", 2))
    store.put(A, Thing("1", 1))
    store.remove(A, version=3)
    assert moves == [(0, 1), (1, 2), (2, 0)]


def test_a_late_event_does_not_bring_a_deleted_object_back_but_its_successor_comes() -> None:
    store: Store[Thing] = Store()
    store.put(A, Thing("1", 3))
    store.remove(A, version=6)
    store.put(A, Thing("1", 3))
    store.put(A, Thing("1", 5), silent=True)
    assert store.get(A) is None
    store.put(A, Thing("2", 7))
    assert store.get(A) == Thing("2", 7)


def test_what_a_list_lacked_is_not_brought_back_by_what_came_before_the_list() -> None:
    store: Store[Thing] = Store()
    store.put(A, Thing("1", 3))
    store.replace([], version=10)
    store.put(A, Thing("1", 9))
    assert store.get(A) is None


def test_an_object_that_left_the_selector_and_came_back_is_not_removed_by_the_repeated_end() -> None:
    gone: list[Name] = []
    store: Store[Thing] = Store(lambda name, before, after: gone.append(name) if after is None else None)
    store.put(A, Thing("1", 3))
    store.remove(A, version=4)
    store.put(A, Thing("1", 5))
    store.remove(A, version=4)
    assert store.get(A) == Thing("1", 5)
    assert gone == [A]


def test_a_deletion_is_remembered_until_no_earlier_event_can_come() -> None:
    store: Store[Thing] = Store()
    store.remove(A, version=6)
    store.forget_deleted(before=6)
    assert store.knows(A, version=6)
    store.forget_deleted(before=7)
    assert not store.knows(A, version=6)


def test_a_kind_that_is_served_again_is_read_whatever_was_there_before() -> None:
    store: Store[Thing] = Store()
    store.put(A, Thing("1", 8))
    store.remove(A, version=9)
    store.put(("shop", "b"), Thing("2", 9))
    store.clear()
    assert len(store) == 0
    store.put(A, Thing("3", 2))
    assert store.get(A) == Thing("3", 2)


def test_what_only_a_list_has_shown_is_unconfirmed_until_something_else_confirms_it() -> None:
    store: Store[Thing] = Store()
    store.replace([(A, Thing("1", 3))], version=10)
    assert store.is_unconfirmed(A)
    store.put(A, Thing("1", 3))
    assert not store.is_unconfirmed(A)
    store.replace([(A, Thing("1", 3))], version=11)
    assert not store.is_unconfirmed(A)
    store.replace([(A, Thing("1", 12))], version=12)
    assert store.is_unconfirmed(A)
    store.put(A, Thing("1", 13))
    assert not store.is_unconfirmed(A)
