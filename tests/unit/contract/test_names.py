"""Names of children never meet, whatever two resources are called."""

from itertools import permutations

from fairlead_contract.names import CHILD_SUFFIXES


def test_no_suffix_ends_with_another() -> None:
    assert not [(a, b) for a, b in permutations(CHILD_SUFFIXES, 2) if a.endswith(b)]


def test_orders_and_orders_worker_never_want_one_child() -> None:
    names = ("orders", "orders-worker", "orders-api", "orders-dead", "orders-worker-api")
    children = [name + suffix for name in names for suffix in CHILD_SUFFIXES]
    assert len(set(children)) == len(children)
