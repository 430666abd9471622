"""The fault proxy does what it says, so that a fault test means what it says."""

import json
import threading
from collections.abc import Iterator

import httpx
import pytest

from ..client import APPLY, Client, Manifest
from ..waiting import PATIENCE_SECONDS, eventually
from . import actions
from .exchange import Exchange, Request
from .proxy import FaultProxy

HANG_SECONDS = 5.0


@pytest.fixture
def sender(proxy: FaultProxy) -> Iterator[httpx.Client]:
    """Sends through the proxy's endpoint "one"."""
    with httpx.Client(base_url=proxy.endpoint("one"), trust_env=False, timeout=20) as client:
        yield client


def config_map(namespace: str, *, value: str = "1") -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "seen", "namespace": namespace},
        "data": {"value": value},
    }


def apply(sender: httpx.Client, manifest: Manifest) -> httpx.Response:
    path = f"/api/v1/namespaces/{manifest['metadata']['namespace']}/configmaps/{manifest['metadata']['name']}"
    parameters = {"fieldManager": "tests", "force": "true"}
    headers = {"Content-Type": APPLY}
    return sender.request("PATCH", path, params=parameters, content=json.dumps(manifest), headers=headers)


def writes(request: Request) -> bool:
    return request.writes


def test_a_write_and_a_read_pass_untouched_and_are_recorded(
    proxy: FaultProxy, sender: httpx.Client, admin: Client, namespace: str
) -> None:
    answer = apply(sender, config_map(namespace))
    assert answer.status_code == 201
    live = admin.get(config_map(namespace))
    assert live is not None
    assert answer.json() == live
    assert sender.get(f"/api/v1/namespaces/{namespace}/configmaps/none").json()["reason"] == "NotFound"
    written, read = proxy.requests
    assert (written.method, written.namespace, written.resource, written.name) == (
        "PATCH",
        namespace,
        "configmaps",
        "seen",
    )
    assert (written.replica, written.code, written.landed, written.query["force"]) == ("one", 201, 201, "true")
    assert written.writes
    assert (read.code, read.writes) == (404, False)


def test_a_watch_passes_each_event_at_once(
    proxy: FaultProxy, sender: httpx.Client, admin: Client, namespace: str
) -> None:
    parameters = {"watch": "true", "timeoutSeconds": "60", "fieldSelector": "metadata.name=seen"}
    with sender.stream("GET", f"/api/v1/namespaces/{namespace}/configmaps", params=parameters) as watch:
        events = watch.iter_lines()
        for value in ("1", "2"):
            admin.apply(config_map(namespace, value=value))
            assert json.loads(next(events))["object"]["data"] == {"value": value}
    assert proxy.requests[0].method == "WATCH"


def test_requests_at_two_endpoints_are_kept_apart(proxy: FaultProxy, sender: httpx.Client) -> None:
    sender.get("/version")
    httpx.get(proxy.endpoint("two") + "/version", trust_env=False)
    assert [each.replica for each in proxy.requests] == ["one", "two"]


def test_a_rule_acts_on_the_matches_it_is_given_and_on_no_other(
    proxy: FaultProxy, sender: httpx.Client, namespace: str
) -> None:
    rule = proxy.rule(writes, actions.answer(503), after=1, count=2)
    sender.get("/version")
    assert [apply(sender, config_map(namespace)).status_code for _ in range(5)] == [201, 503, 503, 200, 200]
    assert [each.code for each in rule.hits] == [503, 503]
    assert rule.seen == 5


def test_a_rule_that_has_ended_acts_no_more(proxy: FaultProxy, sender: httpx.Client) -> None:
    rule = proxy.rule(lambda request: True, actions.answer(500), count=None)
    assert sender.get("/version").status_code == 500
    rule.end()
    assert sender.get("/version").status_code == 200


def test_an_answer_is_a_status_of_the_api_and_the_server_gets_no_request(
    proxy: FaultProxy, sender: httpx.Client, admin: Client, namespace: str
) -> None:
    proxy.rule(writes, actions.answer(429, reason="TooManyRequests", retry_after=7))
    answer = apply(sender, config_map(namespace))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert (answer.json()["kind"], answer.json()["code"], answer.json()["reason"]) == ("Status", 429, "TooManyRequests")
    assert admin.get(config_map(namespace)) is None


@pytest.mark.parametrize(
    ("action", "lands"),
    [
        pytest.param(actions.reset, False, id="reset before the server gets it"),
        pytest.param(actions.lose_reply, True, id="reply lost"),
        pytest.param(actions.cut_body, True, id="reset in the middle of the reply"),
    ],
)
def test_the_sender_sees_a_reset(
    proxy: FaultProxy, sender: httpx.Client, admin: Client, namespace: str, action: actions.Action, lands: bool
) -> None:
    proxy.rule(writes, action)
    with pytest.raises(httpx.TransportError):
        apply(sender, config_map(namespace))
    assert (admin.get(config_map(namespace)) is not None) is lands
    assert proxy.requests[0].landed == (201 if lands else None)


def test_a_function_is_called_before_or_after_the_server_gets_a_write(
    proxy: FaultProxy, sender: httpx.Client, admin: Client, namespace: str
) -> None:
    there: list[bool] = []

    def look() -> None:
        there.append(admin.get(config_map(namespace)) is not None)

    proxy.rule(writes, actions.call_before(look))
    with pytest.raises(httpx.TransportError):
        apply(sender, config_map(namespace))
    proxy.rule(writes, actions.call_after(look))
    with pytest.raises(httpx.TransportError):
        apply(sender, config_map(namespace))
    assert there == [False, True]


def test_what_hangs_is_on_the_wire_and_lands_after_the_sender_gave_up(
    proxy: FaultProxy, sender: httpx.Client, admin: Client, namespace: str
) -> None:
    proxy.rule(writes, actions.hang(HANG_SECONDS))
    sender.timeout = 1.0
    with pytest.raises(httpx.TimeoutException):
        apply(sender, config_map(namespace))
    assert admin.get(config_map(namespace)) is None
    eventually(lambda: admin.get(config_map(namespace)), what="the write has landed")


def test_nothing_passes_in_an_outage_and_open_watches_end(proxy: FaultProxy, sender: httpx.Client) -> None:
    ended = threading.Event()

    def watch() -> None:
        with pytest.raises(httpx.TransportError), sender.stream("GET", "/api/v1/namespaces?watch=true") as answer:
            answer.read()
        ended.set()

    watching = threading.Thread(target=watch)
    watching.start()
    eventually(lambda: [each for each in proxy.requests if each.code == 200], what="the watch is open")
    with proxy.outage() as outage:
        assert ended.wait(PATIENCE_SECONDS)
        with pytest.raises(httpx.TransportError):
            sender.get("/version")
    watching.join()
    assert len(outage.hits) == 1
    assert sender.get("/version").status_code == 200


def test_an_action_may_take_over_a_watch_line_by_line(
    proxy: FaultProxy, sender: httpx.Client, admin: Client, namespace: str
) -> None:
    async def twice(exchange: Exchange) -> None:
        async for line in exchange.lines():
            await exchange.send(line)
            await exchange.send(line)

    proxy.rule(lambda request: request.method == "WATCH", twice)
    admin.apply(config_map(namespace))
    path = f"/api/v1/namespaces/{namespace}/configmaps?watch=true&fieldSelector=metadata.name%3Dseen"
    with sender.stream("GET", path) as watch:
        events = watch.iter_lines()
        first, second = next(events), next(events)
    assert first == second
    assert json.loads(first)["type"] == "ADDED"


def test_a_watch_that_its_sender_left_is_left_at_the_server_too(
    proxy: FaultProxy, sender: httpx.Client, namespace: str
) -> None:
    left = threading.Event()

    async def note_the_end(exchange: Exchange) -> None:
        try:
            await actions.untouched(exchange)
        finally:
            left.set()

    proxy.rule(lambda request: request.method == "WATCH", note_the_end)
    with sender.stream("GET", f"/api/v1/namespaces/{namespace}/configmaps?watch=true"):
        assert not left.is_set()
    assert left.wait(PATIENCE_SECONDS)
