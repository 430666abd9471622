"""What holds for every test: inherited signals, leaks, time limits, the thorough matrices, and hypothesis.

- A shell that runs a job in the background, nohup and some CI runners ignore signals or block them, and children
  inherit that. Tests send signals to children, so both are put back before the first test.
- A file, pipe, socket or transport that a test forgot warns only when it is collected, and warnings are errors. Garbage
  is collected after each test, so the test that forgot it fails, not the one that runs when the collector does.
- Properties are tested without a time limit: a loaded machine is no reason to fail. In CI, examples never change;
  elsewhere they differ from run to run, so that what CI has not met is found where somebody can look into it.
"""

import gc
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from .left_out import skip_if_left_out
from .servers import pgbouncer as pgbouncer_server
from .servers import postgresql as postgresql_server
from .servers.pgbouncer import PgBouncer
from .servers.postgresql import PostgreSQL
from .summary import LINES
from .thorough import Share, third_of_commit

settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

MANY_OBJECTS = 20_000
SHARE = pytest.StashKey[Share]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="run every case of the long matrices, not a third of them")


def pytest_configure(config: pytest.Config) -> None:
    restore_signals()
    config.stash[LINES] = []
    config.stash[SHARE] = Share(None if config.getoption("thorough") else third_of_commit())


def restore_signals() -> None:
    """Give every signal that is ignored its default action, and block none."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(scope="session")
def share(request: pytest.FixtureRequest) -> Share:
    """Picks the cases that this run takes of a long matrix."""
    return request.config.stash[SHARE]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """The PostgreSQL server of this process. Tests that use it carry `xdist_group("postgresql")`."""
    skip_if_left_out(postgresql_server.PART)
    with postgresql_server.running(postgresql_server.NO_FSYNC) as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer(postgresql: PostgreSQL) -> Iterator[PgBouncer]:
    """A pooler in front of that server, in transaction mode. Tests that use it carry the same group."""
    with pgbouncer_server.running(postgresql) as pooler:
        yield pooler


@pytest.hookimpl(tryfirst=True)  # before they are shuffled: each third is the same in every order
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    thorough = [item for item in items if item.get_closest_marker("thorough")]
    left_out = set(thorough) - set(config.stash[SHARE].pick_tests(thorough))
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


def pytest_collection_finish() -> None:
    # What modules and collected tests hold stays to the end: without it, a collection after each test is cheap.
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Free everything at the end, after all other fixtures of the test: they are set up later."""
    yield
    gc.collect()
    if len(gc.get_objects(generation=2)) > MANY_OBJECTS:
        gc.freeze()  # modules that a test imported, most often: they would make each later collection slow


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        share = session.config.stash[SHARE]
        output["lines"] = session.config.stash[LINES]
        output["thorough"] = [share.tests.ran, share.tests.total, share.cases.ran, share.cases.total]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up what the processes of a parallel run counted; each of them collects all tests."""
    output = getattr(node, "workeroutput", {})
    node.config.stash[LINES] += output.get("lines", [])
    share = node.config.stash[SHARE]
    if counts := output.get("thorough"):
        share.tests.ran, share.tests.total = counts[:2]
        share.cases.ran += counts[2]
        share.cases.total += counts[3]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for line in config.stash[LINES]:
        terminalreporter.write_line(line)
    share = config.stash[SHARE]
    if share.tests.total + share.cases.total:
        terminalreporter.write_line(str(share))
