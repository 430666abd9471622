"""The services written by hand do what Fairlead does, as far as the bench asks for it."""

import os
from collections.abc import Iterator

import pytest
from bench.machine import Cores
from bench.postgresql import answers, documents, sides
from bench.postgresql.database import FAIRLEAD, PEERS, Database
from bench.postgresql.sides import OURS, B, C, Sides
from tests.left_out import is_left_out, skip_if_left_out
from tests.servers.postgresql import PostgreSQL

pytestmark = [
    pytest.mark.xdist_group("postgresql"),
    pytest.mark.timeout(1200),  # the first time, the Go service and its libraries are compiled
]
NUMBERS = (1, 2, *range(3, documents.COUNT, documents.CATEGORIES))  # what is asked for, and a whole category


@pytest.fixture(scope="module")
def running(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    database = Database(postgresql)
    core = min(os.sched_getaffinity(0))
    try:
        database.fill(NUMBERS)
        folder = tmp_path_factory.mktemp("sides")
        with sides.running(database, folder, Cores(core, core), go=not is_left_out("go")) as found:
            yield found
    finally:
        for schema in (FAIRLEAD, *PEERS):
            postgresql.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


@pytest.mark.parametrize("side", [B, C])
def test_a_peer_gives_the_same_answers_as_fairlead(side: str, running: Sides) -> None:
    if side == C:
        skip_if_left_out("go", "the Go service of the bench is not tested")
    answers.require_same({name: running.services[name].url for name in (OURS, side)})
