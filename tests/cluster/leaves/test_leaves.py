"""Every leaf of an ApiService and of its class is set, changed, unset and put back on a real API server.

After every step the status is true, the children are what the plan means them to be, and nothing else is there; after
the last one everything is as it was at first. All leaves are walked at the same time, each by a resource of its own.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..access import OperatorAccess
from ..client import Client
from ..operator.harness import Running, Sent, info, settings
from .cases import CLASSES, SERVICES, Case, class_case, service_case
from .node_simulator import NodeSimulator
from .walking import Walk, Walker

# The walk of all leaves counts as the time of the first test.
pytestmark = pytest.mark.timeout(2400)
Leaf = tuple[str, str]
TABLES = (("ApiService", SERVICES), ("ApiServiceClass", CLASSES))
LEAVES: list[Leaf] = [(kind, path) for kind, tables in TABLES for path in tables.leaves]


def case_of(leaf: Leaf) -> Case:
    kind, path = leaf
    return service_case(path) if kind == "ApiService" else class_case(path)


@pytest.fixture(scope="module")
def home(access: OperatorAccess) -> Iterator[str]:
    """A namespace for all resources of the walk."""
    with access.namespace(prefix="leaves") as name:
        yield name


@pytest.fixture(scope="module")
def operator(home: str, access: OperatorAccess) -> Iterator[Running]:
    """One operator for all of them, with the rights it has in production."""
    # Hundreds of resources at once keep a small machine busy: the terms of the lease are those of production.
    terms = {"lease_seconds": 15.0, "lease_renew_seconds": 10.0, "lease_retry_seconds": 2.0}
    running = Running(settings(home, **terms), lambda: info(access.config))
    running.start()
    yield running
    running.stop()


@dataclass(frozen=True)
class Walked:
    """What the walk came to."""

    walkers: Mapping[Leaf, Walker]
    events_read: Sequence[Sent]
    forbidden: Sequence[Sent]


@pytest.fixture(scope="module")
def walked(request: pytest.FixtureRequest, home: str, admin_config: Path, operator: Running) -> Iterator[Walked]:
    """The leaves of the tests that were asked for, after the walk. One without a case does not walk."""
    asked = [leaf for item in request.session.items for leaf in _walked_by(item)]
    cases = {}
    for leaf in asked:
        try:
            cases[leaf] = case_of(leaf)
        except LookupError as error:
            print(f"{leaf}: {error}")
    with Client(admin_config) as client:
        nodes = NodeSimulator(client, home)
        walk = Walk(client, home, operator, list(cases.values()))
        nodes.start()
        try:
            walk.run()
            yield Walked(dict(zip(cases, walk.walkers, strict=True)), walk.events_read, walk.forbidden)
        finally:
            walk.clean()
            nodes.stop()


def _walked_by(item: pytest.Item) -> list[Leaf]:
    is_ours = item.path == Path(__file__) and isinstance(item, pytest.Function)
    return [item.callspec.params["leaf"]] if is_ours and hasattr(item, "callspec") else []


@pytest.mark.thorough
@pytest.mark.parametrize("leaf", LEAVES, ids=[f"{kind}-{path}" for kind, path in LEAVES])
def test_a_leaf_comes_back_to_where_it_was(leaf: Leaf, walked: Walked) -> None:
    case_of(leaf)
    walker = walked.walkers[leaf]
    assert not walker.faults
    if walker.case.without_effect:
        assert not walker.effective, f"it has an effect; the table says that it has none: {walker.case.without_effect}"
    elif not walker.case.immutable:
        assert walker.effective, "neither a child nor the status changed; say why in `without_effect`, or fix the plan"


def test_the_leaves_were_counted(walked: Walked) -> None:
    counts = Counter((kind, walker.sort) for (kind, _), walker in walked.walkers.items())
    for (kind, sort), count in sorted(counts.items()):
        print(f"{kind}: {count} {sort}")
    assert walked.walkers


def test_nobody_read_events_because_no_pod_waited_for_a_volume(walked: Walked) -> None:
    assert not walked.events_read


def test_nothing_was_asked_for_without_a_right_to_it(walked: Walked) -> None:
    assert not walked.forbidden


def test_the_tables_name_leaves_that_there_are() -> None:
    assert not [*SERVICES.unknown_leaves(), *CLASSES.unknown_leaves()]
