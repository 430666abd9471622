"""Starting the sides: Fairlead and the two peers for the whole part, the bare Starlette application for each case.

`check` is to be called before anything is measured: it asks all the same, and the answers have to be the same. Each
server is on the server's core, and those that are not under load have nothing to do.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench import processes
from bench.api import servers
from bench.api.load import Target
from bench.errors import Failed
from bench.machine import Cores
from bench.peers import build
from bench.postgresql import answers, database
from bench.postgresql.cases import Case
from bench.postgresql.database import Database

OURS, A, B, C = "ours", "A", "B", "C"
SCHEMAS = {OURS: database.FAIRLEAD, B: database.B, C: database.C}


@dataclass(frozen=True, slots=True)
class Sides:
    """The servers that are there for every case, and the database of all."""

    database: Database
    services: dict[str, Target]
    folder: Path
    cores: Cores

    def check(self) -> None:
        """Raises Failed when a peer does not answer as Fairlead does."""
        answers.require_same({side: target.url for side, target in self.services.items()})
        for side in self.services:
            self.database.tidy(SCHEMAS[side])

    @contextmanager
    def under_load(self, case: Case) -> Iterator[dict[str, Target]]:
        """The sides of a case, A included, each with what is to be done after a run. Raises Failed."""
        request = case.requests[0]
        with httpx.Client(base_url=self.services[OURS].url) as client:
            answer = servers.sample(client, request, expects=case.expects)
        with servers.bare(A, answer, request, self.folder, self.cores, reads=True) as bare:
            yield {A: bare} | {side: self.tidied(side, case) for side in self.services}

    def tidied(self, side: str, case: Case) -> Target:
        """A side that is as before after each run."""
        target = self.services[side]

        def settle() -> None:
            target.settle()
            self.tidy(side, case)

        return Target(side, target.url, target.process, settle)

    def tidy(self, side: str, case: Case) -> None:
        """Remove what a run has left. Raises Failed when it should have left something."""
        if case.writes:
            if not self.database.events(SCHEMAS[side]):
                raise Failed("the outbox is empty after updates")
            self.database.tidy(SCHEMAS[side])
        self.services[side].process.forget()


@contextmanager
def running(found: Database, folder: Path, cores: Cores, *, go: bool = True) -> Iterator[Sides]:
    """All of them, ready. `go`: whether C is one of them. Raises Failed."""
    program = build.go_service() if go else None
    with ExitStack() as stack:
        services = {
            OURS: stack.enter_context(_fairlead(found, folder, cores)),
            B: stack.enter_context(_peer(B, _python, found, folder, cores)),
        }
        if program is not None:
            services[C] = stack.enter_context(_peer(C, lambda port: [str(program), str(port)], found, folder, cores))
        yield Sides(found, services, folder, cores)


@contextmanager
def _fairlead(found: Database, folder: Path, cores: Cores) -> Iterator[Target]:
    file = folder / "address.json"
    found.address(database.FAIRLEAD).write(file)
    port, admin_port = processes.free_port(), processes.free_port()
    arguments = (str(file), str(folder / "data"), str(port), str(admin_port))
    command = processes.on_core(cores.server, processes.module("bench.postgresql.server", *arguments))
    url = f"http://127.0.0.1:{port}"
    with servers.started(command, folder / "ours.log", f"{url}/health") as process:
        ours = servers.Fairlead(url, f"http://127.0.0.1:{admin_port}", folder / "data", process)
        yield Target(OURS, url, process, ours.settle)


def _python(port: int) -> list[str]:
    return processes.module("bench.peers.fastapi_asyncpg.service", str(port))


@contextmanager
def _peer(
    side: str, command_of: Callable[[int], list[str]], found: Database, folder: Path, cores: Cores
) -> Iterator[Target]:
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    command = processes.on_core(cores.server, command_of(port))
    environment = {"DATABASE_URL": found.address(SCHEMAS[side]).url}
    with servers.started(command, folder / f"{side}.log", f"{url}/v1/articles/none", environment) as process:
        yield Target(side, url, process, lambda: None)
