"""Whatever ends kopf, it is restarted in the process; nothing of it is left behind, and nothing else ends with it."""

import asyncio
import logging
import signal
import threading

import pytest
from aiohttp import web

from fairlead_operator.front import front as module
from fairlead_operator.kube import kinds
from fairlead_operator.supervisor import supervise

from ..server import listening
from .stage import (
    CLASSES,
    SERVICES,
    Playing,
    Script,
    error,
    event,
    fault,
    kopfs,
    live,
    nested,
    playing,
    until,
)


async def test_what_is_listed_and_what_is_watched_arrives() -> None:
    script = Script()
    script.items = [live("orders", 5)]
    async with playing(script) as stage:
        await until(lambda: script.open, what="it is watched")
        await script.send(event("ADDED", live("late", 11)))
        await script.send(event("MODIFIED", live("orders", 12)))
        await script.send(event("DELETED", live("late", 13)))
        await until(lambda: len(stage.brought) == 4, what="all of it arrives")
        brought = {name: [version for of, version in stage.brought if of == name] for name in ("orders", "late")}
        assert brought == {"orders": [5, 12], "late": [11, None]}
        assert stage.restarts == []
        assert stage.front.watches(kinds.API_SERVICE)
        assert stage.codes["GET", SERVICES, 200] == 1


@pytest.mark.parametrize(
    "bad",
    [error(500), error(403), b"no json\n", b"[]\n"],
    ids=["ERROR 500", "ERROR 403", "a line that is no JSON", "a line that is no event"],
)
async def test_what_ends_kopf_is_the_end_of_one_run(bad: bytes) -> None:
    script = Script()
    script.items = [live("orders", 5)]
    script.watches = [bad]
    bystander = asyncio.create_task(asyncio.Event().wait(), name="bystander")
    async with playing(script) as stage:
        await until(lambda: stage.restarts, what="kopf ended")
        script.items = [live("orders", 20)]
        await until(lambda: stage.version("orders") == 20, what="it is listed again")
        await until(lambda: script.open, what="it is watched again")
        assert set(stage.restarts) == {"ended"}
        assert not bystander.done()
        watchers = [task for task in kopfs(asyncio.all_tasks()) if task.get_name().startswith("watcher for")]
        assert len(watchers) == 2, "the watch of the other kind was left behind"
    assert not bystander.done()
    bystander.cancel()


async def test_a_user_and_a_machine_without_a_name_can_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless(*_: object) -> str:
        raise KeyError("getpwuid(): uid not found: 65532")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("socket.gethostbyaddr", nameless)
    script = Script()
    script.items = [live("orders", 5)]
    async with playing(script) as stage:
        await until(lambda: stage.version("orders") == 5, what="it is listed")


async def test_pauses_between_starts_grow() -> None:
    script = Script()
    script.endless = error(500)
    async with playing(script) as stage:
        await until(lambda: len(stage.pauses) >= 4, what="kopf ends again and again")
        assert stage.pauses[:4] == [1.0, 2.0, 4.0, 8.0]


async def test_a_page_of_a_list_that_is_gone_is_not_asked_for_again() -> None:
    script = Script()
    script.items = [live("orders", 5)]
    first = web.json_response({"items": [live("early", 4)], "metadata": {"resourceVersion": "10", "continue": "token"}})
    script.answers[SERVICES] = [first, fault(410)]
    async with playing(script) as stage:
        await until(lambda: stage.version("orders") == 5, what="all is listed in one page")
        assert stage.restarts == ["ended"]
        limits = [query.get("limit") for _, path, query, _ in script.requests if path == SERVICES][:3]
        assert limits == ["100", "100", None]


async def test_watches_that_end_at_once_are_opened_once_a_second() -> None:
    script = Script()
    script.endless = b""
    async with playing(script) as stage:
        await until(lambda: script.asked(SERVICES, watch=True) > 4, what="it is watched again and again")
        times = [at for at, path, query, _ in script.requests if path == SERVICES and "watch" in query]
        assert times[-1] - times[0] > len(times) - 3
        assert stage.restarts == []


async def test_a_410_lists_again_without_an_end() -> None:
    script = Script()
    script.items = [live("orders", 5), live("gone", 6)]
    script.watches = [error(410)]
    async with playing(script) as stage:
        script_lists = lambda: script.asked(SERVICES)  # noqa: E731
        await until(lambda: stage.version("gone") == 6, what="both are listed")
        script.items = [live("orders", 21)]
        await until(lambda: script_lists() == 2 and stage.version("orders") == 21, what="it is listed again")
        assert stage.restarts == []
        assert stage.version("gone") == 6, "kopf reports deletions after a 410; the metadata need not do so any more"


@pytest.mark.parametrize("levels", [300, 990, 5000])
async def test_an_object_that_nests_too_deep_ends_nothing(levels: int) -> None:
    script = Script()
    deep = b'{"metadata":{"name":"deep","namespace":"shop","uid":"d","resourceVersion":"VERSION"},"spec":SPEC}'
    text = deep.replace(b"SPEC", nested(levels).encode())
    listed = b'{"items":[' + text.replace(b"VERSION", b"5") + b'],"metadata":{"resourceVersion":"10"}}'
    script.answers[SERVICES] = [web.Response(body=listed, content_type="application/json")]
    script.watches = [b'{"type":"MODIFIED","object":' + text.replace(b"VERSION", b"11") + b"}\n"]
    async with playing(script) as stage:
        await until(lambda: script.open, what="it is watched on")
        await script.send(event("ADDED", live("orders", 12)))
        await until(lambda: stage.version("orders") == 12, what="its neighbour arrives")
        assert stage.version("deep") == 11
        assert stage.restarts == []


async def test_a_torn_line_is_dropped() -> None:
    script = Script()
    script.watches = [event("ADDED", live("first", 11)) + event("ADDED", live("torn", 12))[:40]]
    async with playing(script) as stage:
        await until(lambda: script.open, what="it is watched on")
        await script.send(event("ADDED", live("orders", 12)))
        await until(lambda: stage.version("orders") == 12, what="the next event arrives")
        assert (stage.version("first"), stage.version("torn"), stage.restarts) == (11, None, [])


async def test_a_kind_that_comes_later_is_found() -> None:
    script = Script()
    script.served = ()
    async with playing(script) as stage:
        await until(lambda: script.asked("/apis"), what="kopf looked for kinds")
        script.served = (kinds.API_SERVICE,)
        script.items = [live("orders", 5)]

        def found() -> bool:
            stage.front.look_after(kinds.API_SERVICE)
            return stage.version("orders") == 5

        await until(found, what="the new kind is watched")
        assert stage.restarts == ["kind found"]
        script.served = (kinds.API_SERVICE, kinds.API_SERVICE_CLASS)

        def found_too() -> bool:
            stage.front.look_after(kinds.API_SERVICE)
            stage.front.look_after(kinds.API_SERVICE_CLASS)
            return script.asked(CLASSES, watch=True) > 0

        await until(found_too, what="the other one is watched")
        assert stage.restarts == ["kind found"] * 2


async def test_a_kind_that_kopf_does_not_ask_about_any_more_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNASKED_SECONDS", 1.0)
    script = Script()
    async with playing(script) as stage:
        await until(lambda: script.open, what="it is watched")
        for task in kopfs(asyncio.all_tasks()):
            if task.get_name().startswith("watcher for apisvcs."):
                task.cancel()

        def noticed() -> bool:
            stage.front.look_after(kinds.API_SERVICE)
            return "stopped watching" in stage.restarts

        await until(noticed, what="kopf restarts")


async def test_two_missed_events_are_a_reason_to_restart() -> None:
    script = Script()
    async with playing(script) as stage:
        await until(lambda: script.open, what="it is watched")
        stage.front.missed(1)
        await asyncio.sleep(0.05)
        assert stage.restarts == []
        stage.front.missed(1)
        await until(lambda: stage.restarts == ["missed"], what="kopf restarts")
        await until(lambda: script.asked(SERVICES) == 2, what="it is listed again")
        stage.front.missed(1)
        await asyncio.sleep(0.05)
        assert stage.restarts == ["missed"], "what one run missed counts against the next one"


async def test_new_credentials_are_used_and_a_401_reads_them_again() -> None:
    script = Script()
    script.items = [live("orders", 5)]
    script.answers[SERVICES] = [fault(401)]
    async with playing(script) as stage:
        stage.tokens[0] = "second"
        await until(lambda: stage.version("orders") == 5, what="it is listed")
        assert stage.restarts == []
        assert {token for _, path, _, token in script.requests if path == SERVICES and token} >= {"Bearer second"}


async def test_a_token_goes_nowhere_else() -> None:
    elsewhere, script = Script(), Script()
    async with listening(elsewhere.answer) as url, playing(script) as stage:
        await until(lambda: script.open, what="it is watched")
        script.answers[SERVICES] = [web.Response(status=307, headers={"Location": f"{url}{SERVICES}"})]
        stage.front.restart(module.RestartReason.MISSED)
        await until(lambda: elsewhere.requests, what="kopf goes where it is sent")
        assert [(path, token) for _, path, _, token in elsewhere.requests] == [(SERVICES, "")]


async def test_errors_are_tried_again_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead_operator.front.settings.Backoffs.__iter__", lambda _: iter([0.01] * 40))
    script = Script()
    script.items = [live("orders", 5)]
    script.answers[SERVICES] = [fault(code) for code in (503, 429, 403, 500)]
    async with playing(script) as stage:
        await until(lambda: stage.version("orders") == 5, what="it is listed")
        assert stage.restarts == []


async def test_a_signal_comes_to_the_supervisor_and_the_end_is_clean() -> None:
    script = Script()
    ended: list[Playing] = []

    async def run() -> None:
        async with playing(script) as stage:
            await until(lambda: script.open, what="it is watched")
            stage.front.restart(module.RestartReason.MISSED)
            await until(lambda: len(script.open) > 1, what="it is watched again")
            ended.append(stage)
            signal.raise_signal(signal.SIGTERM)
            await asyncio.Event().wait()

    assert threading.current_thread() is threading.main_thread()
    await asyncio.wait_for(supervise(run), timeout=20)
    assert [stage.restarts for stage in ended] == [["missed"]]


async def test_it_can_be_cancelled_at_any_moment(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="asyncio")
    script = Script()
    script.watches = [error(500)]
    for steps in range(0, 60, 3):
        async with playing(script):
            for _ in range(steps):
                await asyncio.sleep(0)
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []
