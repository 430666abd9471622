"""One operator behind an endpoint of the fault proxy, in a namespace of its own, with all that a test needs of it.

Any number of environments run side by side; what a rule does to one of them does not affect the others.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import kopf

from fairlead_operator.kube import kinds

from ..access import OperatorAccess
from ..client import Client
from ..operator.apisvc import Resource
from ..operator.harness import Running, example, settings
from ..simulator import Simulator
from ..waiting import eventually
from .actions import Action
from .proxy import FaultProxy, Rule
from .streams import is_watch

READY_SECONDS = 90.0
RECOVERY_SECONDS = 10.0
WATCHED = frozenset(kind.plural for kind in (*kinds.CHILDREN, kinds.API_SERVICE, kinds.API_SERVICE_CLASS))
# A resource with a provision Job and one Deployment.
SMALL: dict[str, Any] = {
    "cache": None,
    "queue": None,
    "worker": None,
    "scaling": {"api": {"min": 1, "max": 2, "cpuPercent": 70}},
    "api": {
        "version": "v1",
        "title": "Orders",
        "resources": [
            {
                "name": "products",
                "key": {"partition": "id"},
                "schema": {"type": "object", "properties": {"id": {"type": "string"}}},
            }
        ],
    },
}


@dataclass
class Environment:
    """See the module. `name` is the namespace, and the replica's name in the proxy's record."""

    admin: Client
    proxy: FaultProxy
    name: str
    simulator: Simulator
    operators: list[Running] = field(default_factory=list)

    @property
    def operator(self) -> Running:
        """The one that runs."""
        return self.operators[-1]

    def start(self) -> None:
        """Start an operator; end it before another one is started."""
        endpoint = self.proxy.endpoint(self.name)
        self.operators.append(Running(settings(self.name), lambda: kopf.ConnectionInfo(server=endpoint)))
        self.operator.start()

    def resource(self, name: str = "orders") -> Resource:
        """A small resource, not created yet."""
        return Resource(self.admin, example(self.name, name=name, **SMALL))

    def inject(self, action: Action, *resources: str, count: int | None = 1) -> list[Rule]:
        """Reset the watches of these, and let the next ones meet the action; returns when each has met it."""
        rules = []
        for each in resources:
            match = is_watch(each, replica=self.name)
            rules.append(self.proxy.rule(match, action, count=count))
            self.proxy.cut(match)
        eventually(lambda: all(rule.hits for rule in rules), what="the watches are opened again", timeout_seconds=15)
        return rules

    def connections(self) -> dict[tuple[str, str], list[float]]:
        """When each kind was listed and watched, by method and resource; in seconds."""
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        for each in list(self.proxy.requests):
            is_first = each.method == "WATCH" or (
                each.method == "GET" and not each.name and "continue" not in each.query
            )
            if is_first and each.replica == self.name and each.resource in WATCHED:
                found[each.method, each.resource].append(each.at)
        return found

    def assert_sound(self) -> None:
        """The operator has not ended, has connected at most once a second and kind, has requested nothing without a
        right to it, and has nothing to write any more.
        """
        self.operator.settle()
        count = len(self.operator.writes())
        self.operator.resync()
        self.operator.resync()
        more = self.operator.writes()[count:]
        assert more == [], more
        assert [each.error for each in self.operators if each.error] == []
        assert self.proxy.forbidden(self.name) == []
        for (method, resource), times in self.connections().items():
            assert surplus(times) <= 0, f"{method} {resource}: {[f'{at:.2f}' for at in times]}"


def surplus(times: list[float]) -> int:
    """How many connections there were above one a second, in the worst stretch. Two may be early: a start, a delay."""
    stretches = combinations(range(len(times)), 2)
    return max((last - first - 2 - int(times[last] - times[first]) for first, last in stretches), default=0)


@contextmanager
def environment(access: OperatorAccess, proxy: FaultProxy) -> Iterator[Environment]:
    """An environment without an operator yet. Every status that is written in it is checked."""
    with access.namespace() as name:
        simulator = Simulator(access.admin, name)
        simulator.start()
        made = Environment(access.admin, proxy, name, simulator)
        try:
            yield made
        finally:
            for each in made.operators:
                each.stop()
            simulator.stop()


def within(seconds: float, check: Callable[[], Any], *, since: float, what: str) -> float:
    """Wait until it is so; the seconds after `since`, which are not more than this."""
    eventually(check, what=what, timeout_seconds=since + seconds - time.monotonic())
    return time.monotonic() - since
