"""Where lifecycles run side by side: a few lanes, each with a namespace, an operator and a simulator of its own."""

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ..access import OperatorAccess
from ..operator.harness import settings
from ..simulator import Simulator
from .lifecycle import Lane
from .object_log import ObjectLog
from .process import ForkServer, Process
from .proxy import FaultProxy

# Long enough that a renewal is a small part of the traffic; who is killed keeps its identity, so it need not wait.
LEASE = {"lease_seconds": 15.0, "lease_renew_seconds": 10.0, "lease_retry_seconds": 2.0}


class LaneSetup:
    """Sets up lanes. Use it as a context; what it observed with is closed at its end."""

    def __init__(self, access: OperatorAccess, object_log: ObjectLog, logs: Path) -> None:
        self.access = access
        self.object_log = object_log
        self.proxy = FaultProxy(access.config)
        self.fork_server = ForkServer(logs)

    @contextmanager
    def lane(self) -> Iterator[Lane]:
        """A lane with its operator running; at the end it is stopped, and must exit with 0. Every status that is
        written is checked, and nothing may have been asked for without a right to it.
        """
        admin = self.access.admin
        with self.access.namespace() as name:
            operator = Process(self.fork_server, settings(name, **LEASE), self.proxy.endpoint(name))
            simulator = Simulator(admin, name)
            simulator.start()
            operator.start()
            try:
                yield Lane(admin, self.proxy, self.object_log, name, operator)
                assert operator.stop() == 0, operator.log.read_text()[-2000:]
            finally:
                operator.kill()
                simulator.stop()
            assert self.proxy.forbidden(name) == []


def side_by_side(lanes: Iterable[Lane], works: Iterable[Callable[[Lane], None]], *, at_once: int = 1) -> list[str]:
    """Do all works, `at_once` at a time in each lane; what failed."""
    free: queue.Queue[Lane] = queue.Queue()
    for lane in [*lanes] * at_once:
        free.put(lane)

    def run(work: Callable[[Lane], None]) -> str:
        lane = free.get()
        try:
            work(lane)
        except AssertionError as error:
            return f"{lane.namespace}: {error}\n"
        finally:
            free.put(lane)
        return ""

    with ThreadPoolExecutor(free.qsize()) as pool:
        return [fault for fault in pool.map(run, works) if fault]
