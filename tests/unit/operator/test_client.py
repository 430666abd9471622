"""What the client makes of the server's answers."""

import asyncio
import socket
from contextlib import nullcontext

import pytest
from aiohttp import web

from fairlead_operator.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    NotLeading,
    OperatorError,
    Terminating,
    Unauthorized,
    Unreachable,
)
from fairlead_operator.kube import client as client_module
from fairlead_operator.kube import kinds, transport

from .server import config_map, events, fault, page, serving

MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (400, Invalid),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Gone),
        (413, Invalid),
        (422, Invalid),
        (500, ApiError),
        (504, ApiError),
    ],
)
async def test_an_error_has_the_type_of_its_code(code: int, error: type[OperatorError]) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return fault(code)

    async with serving(answer) as client:
        with pytest.raises(error, match="said so"):
            await client.apply_new(kinds.CONFIG_MAP, MANIFEST)


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        pytest.param(
            500,
            "failed to create typed patch object (shop/a; v1, Kind=ConfigMap): .dat: field not declared in schema",
            Invalid,
            id="a field that the kind does not have",
        ),
        pytest.param(500, "etcdserver: request timed out", ApiError, id="a failure of the server"),
        pytest.param(
            422,
            "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            Forbidden,
            id="a policy",
        ),
        pytest.param(400, 'admission webhook "hook.example.com" denied the request: no', Forbidden, id="a webhook"),
        pytest.param(422, 'ConfigMap "a" is invalid: data: Invalid value', Invalid, id="a value"),
    ],
)
async def test_what_is_refused_for_its_content_differs_from_what_a_rule_refuses(
    code: int, message: str, error: type[ApiError]
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"code": code, "message": message}, status=code)

    async with serving(answer) as client:
        with pytest.raises(error) as found:
            await client.apply_new(kinds.CONFIG_MAP, MANIFEST)
    assert type(found.value) is error


async def test_a_namespace_that_is_being_deleted_differs_from_what_is_forbidden() -> None:
    causes = [{"reason": "NamespaceTerminating", "message": "namespace shop is being terminated"}]

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"code": 403, "message": "said so", "details": {"causes": causes}}, status=403)

    async with serving(answer) as client:
        with pytest.raises(Terminating, match="said so"):
            await client.apply_new(kinds.CONFIG_MAP, MANIFEST)


async def test_a_create_cannot_merge_and_an_update_names_the_object() -> None:
    seen: list[tuple[dict[str, str], dict[str, str]]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append((dict(request.query), (await request.json())["metadata"]))
        return web.json_response(config_map("a", 1))

    async with serving(answer) as client:
        await client.apply_new(kinds.CONFIG_MAP, MANIFEST)
        await client.apply_known(kinds.CONFIG_MAP, MANIFEST, uid="u")
    (create, made), (update, known) = seen
    assert (create["force"], made["resourceVersion"]) == ("false", "1")
    assert (update["force"], known["uid"], "resourceVersion" in known) == ("true", "u", False)
    assert "uid" not in MANIFEST["metadata"]


async def test_the_wait_that_the_server_asks_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    answers = [fault(429, **{"Retry-After": "3"}), fault(503, **{"Retry-After": "1"})]

    async def answer(request: web.Request) -> web.StreamResponse:
        return answers.pop(0) if answers else web.json_response(config_map("a", 1))

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with serving(answer) as client:
        monkeypatch.setattr(client_module.asyncio, "sleep", sleep)
        assert await client.get(kinds.CONFIG_MAP, namespace="shop", name="a")
        monkeypatch.undo()
    assert waits == [3.0, 1.0]


async def test_a_long_wait_and_an_error_without_one_are_left_to_the_queue() -> None:
    answers = [fault(429, **{"Retry-After": "600"}), fault(503), fault(500)]
    count = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        return answers.pop(0)

    async with serving(answer) as client:
        for _ in range(3):
            with pytest.raises(ApiError):
                await client.request("GET", "/")
    assert count == 3


async def test_a_401_is_tried_once_more() -> None:
    count = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        return fault(401)

    async with serving(answer) as client:
        with pytest.raises(Unauthorized):
            await client.request("GET", "/")
    assert count == 2


async def test_nothing_is_sent_without_the_lease_but_reads_and_the_lease_itself() -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request.method)
        return web.json_response({})

    def refuse() -> None:
        raise NotLeading("another one leads")

    async with serving(answer, may_write=refuse) as client:
        with pytest.raises(NotLeading):
            await client.apply_new(kinds.CONFIG_MAP, MANIFEST)
        with pytest.raises(NotLeading):
            await client.delete(kinds.CONFIG_MAP, namespace="shop", name="a", uid="u")
        await client.request("GET", "/")
        await client.request("PUT", "/", body={}, guarded=False)
    assert seen == ["GET", "PUT"]


async def test_no_more_than_the_limit_is_in_flight() -> None:
    now, most = 0, 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return web.json_response({})

    async with serving(answer, in_flight=4) as client:
        await asyncio.gather(*(client.request("GET", "/") for _ in range(20)))
    assert most == 4


async def test_a_list_is_read_in_pages_and_again_when_its_token_is_too_old() -> None:
    requested: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        requested.append(dict(request.query))
        if "continue" in request.query:
            return fault(410)
        if "limit" in request.query:
            return page(config_map("a", 1), following="token")
        return page(config_map("a", 1), config_map("b", 2), version=12)

    async with serving(answer) as client:
        items, version = await client.list_all(kinds.CONFIG_MAP, selector="x")
    assert [item["metadata"]["name"] for item in items] == ["a", "b"]
    assert version == "12"
    assert all(each["labelSelector"] == "x" for each in requested)


async def test_metadata_alone_are_asked_for_where_they_are_enough() -> None:
    requested: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        requested.append(request.headers["Accept"])
        return await events(request) if "watch" in request.query else page(config_map("a", 1))

    async with serving(answer) as client:
        for metadata_only in (True, False):
            await client.read_all(kinds.CONFIG_MAP, lambda item: item, metadata_only=metadata_only)
            assert [
                each async for each in client.watch(kinds.CONFIG_MAP, since="1", seconds=1, metadata_only=metadata_only)
            ] == []
    metadata = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
    assert requested == [metadata.format("List"), metadata.format(""), "application/json", "application/json"]


async def test_a_delete_is_about_one_object_and_a_missing_one_is_fine() -> None:
    bodies: list[dict[str, object]] = []
    answers = [fault(404), fault(409), web.json_response({})]

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response({"metadata": {"uid": "another"}})
        bodies.append(await request.json())
        return answers.pop(0)

    async with serving(answer) as client:
        for _ in range(3):
            await client.delete(kinds.CONFIG_MAP, namespace="shop", name="a", uid="u")
    assert all(body["preconditions"] == {"uid": "u"} for body in bodies)


async def test_a_conflict_about_the_object_itself_is_not_taken_for_its_end() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {"uid": "u"}}) if request.method == "GET" else fault(409)

    async with serving(answer) as client:
        with pytest.raises(Conflict):
            await client.delete(kinds.CONFIG_MAP, namespace="shop", name="a", uid="u")


async def test_a_watch_reads_events_larger_than_any_buffer() -> None:
    large = config_map("a", 2) | {"data": {"x": "y" * 3_000_000}}

    async def answer(request: web.Request) -> web.StreamResponse:
        return await events(request, ("ADDED", large), ("BOOKMARK", config_map("", 5)))

    async with serving(answer) as client:
        found = [kind async for kind, _ in client.watch(kinds.CONFIG_MAP, since="1")]
    assert found == ["ADDED", "BOOKMARK"]


@pytest.mark.parametrize(("code", "error"), [(410, Gone), (500, ApiError)])
async def test_an_error_event_is_an_error(code: int, error: type[OperatorError]) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await events(request, ("ERROR", {"code": code, "message": "too old", "metadata": {}}))

    async with serving(answer) as client:
        with pytest.raises(error):
            [each async for each in client.watch(kinds.CONFIG_MAP, since="1")]


@pytest.mark.parametrize(
    ("found", "silent"),
    [
        pytest.param([], True, id="nothing came"),
        pytest.param([("BOOKMARK", config_map("", 5))], False, id="something came"),
    ],
)
async def test_a_watch_that_does_not_end_in_time_is_ended_and_is_silent_when_nothing_came(
    monkeypatch: pytest.MonkeyPatch, found: list[tuple[str, dict[str, object]]], silent: bool
) -> None:
    release = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.query["timeoutSeconds"] == "0"
        reply = await events(request, *found)
        await release.wait()
        return reply

    monkeypatch.setattr(transport, "GRACE_SECONDS", 1.0 if found else 0.05)
    ends: list[str] = []
    async with serving(answer) as client:
        watch = client.watch(kinds.CONFIG_MAP, since="1", seconds=0, ended=lambda: ends.append("the server"))
        with pytest.raises(Unreachable, match="nothing came") if silent else nullcontext():
            assert [each async for each in watch] == found
        release.set()
    assert ends == []


@pytest.mark.parametrize(
    ("hangs", "quiet_seconds"),
    [pytest.param(True, 1.0, id="it goes quiet"), pytest.param(False, 60.0, id="the server ends it")],
)
async def test_which_side_ended_a_watch(hangs: bool, quiet_seconds: float) -> None:
    release = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        reply = await events(request, ("BOOKMARK", config_map("", 5)))
        if hangs:
            await release.wait()
        return reply

    ends: list[str] = []
    async with serving(answer) as client:
        watch = client.watch(
            kinds.CONFIG_MAP, since="1", quiet_seconds=quiet_seconds, ended=lambda: ends.append("the server")
        )
        assert [kind async for kind, _ in watch] == ["BOOKMARK"]
        release.set()
    assert ends == ([] if hangs else ["the server"])


def test_the_kernel_is_asked_to_notice_a_server_that_is_gone() -> None:
    address = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 0))
    with transport.keepalive_socket(address) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5


async def test_a_server_that_is_away_is_unreachable() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.close()
        return web.Response()

    async with serving(answer) as client:
        with pytest.raises(Unreachable):
            await client.request("GET", "/")


async def test_a_dry_run_says_so_with_every_write_and_no_read() -> None:
    seen: list[tuple[str, str | None]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.query.get("dryRun")))
        return web.json_response(config_map("a", 1) | {"items": []})

    async with serving(answer, dry_run=True) as client:
        await client.get(kinds.CONFIG_MAP, namespace="shop", name="a")
        await client.list_all(kinds.CONFIG_MAP, namespace="shop")
        await client.apply_new(kinds.CONFIG_MAP, MANIFEST)
        await client.apply_known(kinds.CONFIG_MAP, MANIFEST, uid="a")
        await client.merge(kinds.CONFIG_MAP, {}, namespace="shop", name="a")
        await client.create(kinds.CONFIG_MAP, MANIFEST)
        await client.delete(kinds.CONFIG_MAP, namespace="shop", name="a", uid="a")
    assert [each for each in seen if each[0] == "GET"] == [("GET", None)] * 2
    assert [each[1] for each in seen if each[0] != "GET"] == ["All"] * 5


async def test_the_lease_is_asked_about_once_more_when_the_connection_is_there() -> None:
    requested, answered = 0, []

    def may_write() -> None:
        nonlocal requested
        requested += 1
        if requested > 1:
            raise NotLeading("it ran out while the connection was made")

    async def answer(request: web.Request) -> web.StreamResponse:
        answered.append(request.path)
        return web.json_response(config_map("a", 1))

    async with serving(answer, may_write=may_write) as client:
        with pytest.raises(NotLeading, match="ran out"):
            await client.apply_new(kinds.CONFIG_MAP, MANIFEST)
        await client.request("PUT", kinds.LEASE.path(namespace="shop", name="a"), body={}, guarded=False)
    assert answered == [kinds.LEASE.path(namespace="shop", name="a")]
