"""What these tests have in common: a service with a schema of its own, and ways to wait for what a server does."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from tests.cluster.certificates import Authority
from tests.conformance.store_cases import COUNTERS, ORDERS
from tests.postgresql import new_schema
from tests.servers.postgresql import PostgreSQL, running_with_tls

RESOURCES = [ORDERS, COUNTERS]
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Service:
    """A schema with orders and counters, on a server."""

    server: PostgreSQL
    schema: str

    def table(self, name: str) -> str:
        return f'"{self.schema}"."{name}"'


@pytest.fixture
async def service(postgresql: PostgreSQL) -> AsyncIterator[Service]:
    async with new_schema(postgresql, RESOURCES) as schema:
        yield Service(postgresql, schema)


@pytest.fixture(scope="module")
def authorities() -> tuple[Authority, Authority]:
    """The one that signs the certificates, and one that signs nothing."""
    return Authority("tests"), Authority("others")


@contextmanager
def running_for_localhost(authority: Authority, *, hba: str) -> Iterator[PostgreSQL]:
    """A server whose certificate is for the name localhost, and not for its address."""
    pair = authority.issue("server", addresses=["localhost"])
    with running_with_tls(
        certificate=pair.public, key=pair.private, authority=authority.certificate, hba=hba
    ) as server:
        yield server


async def until(is_so: Callable[[], object]) -> None:
    """Return when it is so; the event loop goes on meanwhile."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
