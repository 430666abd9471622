"""Records arrive in any order; the newest is the truth."""

from dataclasses import dataclass

from fairlead_operator.cluster.store import Name, Store

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


def test_the_answer_to_a_write_is_not_told_to_the_listener_nor_is_its_echo() -> None:
    told: list[int] = []
    store: Store[Thing] = Store(lambda name, before, after: told.append(after.version if after else 0))
    store.put(A, Thing("1", 7), silent=True)
    store.put(A, Thing("1", 7))
    assert told == []
    store.put(A, Thing("1", 8))
    assert told == [8]


def test_a_late_deletion_of_an_older_object_leaves_its_successor() -> None:
    store: Store[Thing] = Store()
    store.put(A, Thing("2", 9))
    store.remove(A, uid="1", version=8)
    assert store.get(A) == Thing("2", 9)
    store.remove(A, uid="2", version=10)
    assert store.get(A) is None


def test_a_list_tells_of_deletions_that_no_watch_told_of() -> None:
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


def test_records_are_found_by_their_owner_also_after_it_changed() -> None:
    store: Store[Thing] = Store()
    store.put(A, Thing("1", 1))
    store.put(A, Thing("1", 2, ("shop", "payments")))
    assert store.of_owner(OWNER) == {}
    assert set(store.of_owner(("shop", "payments"))) == {A}
