"""Where lives are led side by side: a few lanes, each with a namespace, an operator and a simulator of its own."""

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ..ground import Ground
from ..operator.harness import settings
from ..simulator import Simulator
from .chronicle import Chronicle
from .life import Lane
from .process import Process, Zygote
from .proxy import FaultProxy

# Long enough that a renewal is a small part of the traffic; who is killed keeps its identity, so it need not wait.
LEASE = {"lease_seconds": 15.0, "lease_renew_seconds": 10.0, "lease_retry_seconds": 2.0}


class Stage:
    """Sets up lanes. Use it as a context; what it looked on with is closed at its end."""

    def __init__(self, ground: Ground, chronicle: Chronicle, logs: Path) -> None:
        self.ground = ground
        self.chronicle = chronicle
        self.proxy = FaultProxy(ground.config)
        self.zygote = Zygote(logs)

    @contextmanager
    def lane(self) -> Iterator[Lane]:
        """A lane with its operator running; at the end it is told to stop, and must do so well. Every status that is
        written is checked, and nothing may have been asked for without a right to it.
        """
        admin = self.ground.admin
        with self.ground.namespace() as name:
            operator = Process(self.zygote, settings(name, **LEASE), self.proxy.door(name))
            simulator = Simulator(admin, name)
            simulator.start()
            operator.start()
            try:
                yield Lane(admin, self.proxy, self.chronicle, name, operator)
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
