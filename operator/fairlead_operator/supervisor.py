"""Keep the operator running, whatever happens, until a signal says to stop.

A defect that ends it is logged, and it starts anew within the process after a growing pause: what is a transient fault
of the API server never ends it in the first place.
"""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

LOG = logging.getLogger(__name__)
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STOP: ContextVar[asyncio.Event | None] = ContextVar("stop", default=None)


async def supervise(run: Callable[[], Awaitable[None]]) -> None:
    """Run until SIGTERM or SIGINT; then `run` is cancelled and awaited."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    _STOP.set(stop)
    install_signal_handlers()
    keeper = asyncio.create_task(_keep(run))
    try:
        await stop.wait()
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        for each in SIGNALS:
            loop.remove_signal_handler(each)


def install_signal_handlers() -> None:
    """Install the signal handlers, again if something else has replaced them. Without a supervisor there are none."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop, stop = asyncio.get_running_loop(), _STOP.get()
    for each in SIGNALS:
        if stop is not None:
            loop.add_signal_handler(each, stop.set)
        else:
            loop.remove_signal_handler(each)


async def _keep(run: Callable[[], Awaitable[None]]) -> None:
    loop, failures = asyncio.get_running_loop(), 0
    while True:
        started = loop.time()
        try:
            await run()
        except Exception:  # outermost loop: the process outlives any defect of what it runs
            LOG.exception("the operator ended; starting anew")
        failures = 0 if loop.time() - started > STEADY_SECONDS else failures + 1
        await asyncio.sleep(min(FIRST_PAUSE_SECONDS * 2 ** min(failures, 8), LONGEST_PAUSE_SECONDS))
