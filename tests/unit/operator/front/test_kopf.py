"""What of kopf we rely on beyond its documentation. When one of them fails after an upgrade, read `front/` first."""

import asyncio
import dataclasses
import inspect
import logging
import signal
from importlib.metadata import version
from typing import Any

import kopf
import pytest

from fairlead_operator.front import handlers, settings
from fairlead_operator.front.settings import Backoffs

from ..server import listening
from .stage import SERVICES, Script, bookmark, error, event, live, until


def test_it_is_the_version_that_was_read() -> None:
    assert version("kopf").split(".")[:2] == ["1", "45"]


def test_every_setting_that_we_change_is_one() -> None:
    found, plain = kopf.OperatorSettings(), kopf.OperatorSettings()
    settings.configure(found, page_size=100)
    for group in dataclasses.fields(found):
        names = {each.name for each in dataclasses.fields(getattr(found, group.name))}
        assert set(vars(getattr(found, group.name))) == names, group.name
    changed = {
        f"{group.name}.{each.name}"
        for group in dataclasses.fields(found)
        for each in dataclasses.fields(getattr(found, group.name))
        if each.name != "executor"
        and getattr(getattr(found, group.name), each.name) != getattr(getattr(plain, group.name), each.name)
    }
    assert changed == {
        "networking.connect_timeout",
        "networking.error_backoffs",
        "networking.request_timeout",
        "peering.standalone",
        "persistence.diffbase_storage",
        "persistence.progress_storage",
        "posting.enabled",
        "process.ultimate_exiting_timeout",
        "queueing.exit_timeout",
        "queueing.idle_timeout",
        "scanning.disabled",
        "watching.chunk_size",
        "watching.connect_timeout",
        "watching.inactivity_timeout",
        "watching.server_timeout",
    }, "a value of ours is kopf's own by now, or no longer one"


def test_pauses_between_tries_have_no_end_and_begin_again() -> None:
    backoffs = Backoffs()
    for _ in range(2):
        pauses = iter(backoffs)
        assert [next(pauses) for _ in range(8)] == [1.0, 1.0, 2.0, 3.0, 5.0, 5.0, 5.0, 5.0]
    assert not hasattr(backoffs, "__len__"), "kopf counts the tries of what has a length"


def test_tasks_can_be_spawned_with_a_registry_and_settings_of_our_own() -> None:
    parameters = inspect.signature(kopf.spawn_tasks).parameters
    assert {"registry", "settings", "identity", "standalone", "clusterwide", "namespaces"} <= set(parameters)


async def spawn(script: Script, seen: list[Any], url: str, **given: Any) -> list[asyncio.Task[Any]]:
    """kopf as it is, with its own session."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=url)

    @kopf.on.event("fairlead.dev", "v1alpha1", "apisvcs", registry=registry)
    async def take(event: Any, **_: Any) -> None:
        seen.append((event["type"], event["object"]["metadata"]["name"]))

    found = kopf.OperatorSettings()
    settings.configure(found, page_size=None)
    for name, value in given.items():
        setattr(found.watching, name, value)
    settings.reduce_logging()
    tasks = await kopf.spawn_tasks(registry=registry, settings=found, standalone=True, clusterwide=True)
    loop = asyncio.get_running_loop()
    assert loop.remove_signal_handler(signal.SIGTERM), "kopf takes no signals any more"
    loop.remove_signal_handler(signal.SIGINT)
    return list(tasks)


async def end(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel what kopf runs, and its schedulers last: whoever uses one waits for it to end."""
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        if task in tasks or "fairlead.dev" in task.get_name():
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        if "scheduler" in task.get_name().lower():
            task.cancel()
    await asyncio.sleep(0.1)


@pytest.mark.parametrize("bad", [error(500), b'{"type":\n'], ids=["ERROR 500", "no JSON"])
async def test_it_ends_on_a_fault_of_a_watch(bad: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    script = Script()
    script.watches = [bad]
    async with listening(script.answer) as url:
        tasks = await spawn(script, [], url)
        done, _ = await asyncio.wait(tasks, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert done, "kopf goes on: restarting it may not be needed any more"
        await end(tasks)


async def test_it_opens_watches_that_end_at_once_without_a_pause() -> None:
    script = Script()
    script.endless = b""
    async with listening(script.answer) as url:
        tasks = await spawn(script, [], url)
        await until(lambda: script.asked(SERVICES, watch=True) > 50, what="the server is flooded")
        await end(tasks)


async def test_it_shows_no_bookmark_and_no_deletion_that_it_did_not_watch() -> None:
    script, seen = Script(), list[Any]()
    script.items = [live("orders", 5), live("gone", 6)]
    script.watches = [bookmark(11) + error(410), event("ADDED", live("late", 31))]
    async with listening(script.answer) as url:
        tasks = await spawn(script, seen, url)
        await until(lambda: len(seen) >= 2, what="both are listed")
        script.items = [live("orders", 21)]
        await until(lambda: ("ADDED", "late") in seen, what="it watches on")
        assert {what for what, _ in seen} <= {None, "ADDED"}
        assert seen.count((None, "orders")) >= 1
        await end(tasks)


def test_our_handlers_are_the_only_ones() -> None:
    source = inspect.getsource(handlers)
    assert source.count("@kopf.on.") == 4
    assert source.count("registry=") >= 4
