"""The caches under conformance, one row each: how one is opened, and what it declares it can do."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from tests.wrapped import WrappedCache

from fairlead_workload.caches.base import Cache
from fairlead_workload.caches.memory import MemoryCache

Advance = Callable[[float], Awaitable[None]]
"""Lets this many seconds pass for the cache."""


@dataclass(frozen=True)
class Opened:
    """A fresh, empty cache, its time, and a second user of the same entries where there can be one."""

    cache: Cache
    now: Callable[[], float]
    advance: Advance
    other: Cache | None = None


@dataclass(frozen=True)
class CacheRow:
    """One adapter.

    `clock`: its clock can be set; else the cases of expiry wait for real, with times that are short.
    `peekable`: it has `peek`. `shared`: `Opened.other` sees the same entries.
    """

    name: str
    open: Callable[[], AbstractAsyncContextManager[Opened]]
    clock: bool
    peekable: bool
    shared: bool

    @property
    def short_seconds(self) -> float:
        """A time to live that a case can wait for twice."""
        return 10.0 if self.clock else 0.3


@asynccontextmanager
async def open_memory() -> AsyncIterator[Opened]:
    now = [time.time()]

    async def advance(seconds: float) -> None:
        now[0] += seconds

    cache = MemoryCache(1000, clock=lambda: now[0])
    yield Opened(cache, lambda: now[0], advance)
    await cache.close()


@asynccontextmanager
async def open_wrapped() -> AsyncIterator[Opened]:
    async with open_memory() as opened:
        yield replace(opened, cache=WrappedCache(opened.cache), other=WrappedCache(opened.cache))


CACHES = [
    CacheRow("memory", open_memory, clock=True, peekable=True, shared=False),
    CacheRow("wrapped", open_wrapped, clock=True, peekable=False, shared=True),  # what other tests stand on
]
