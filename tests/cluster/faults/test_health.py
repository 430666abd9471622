"""Who asks the operator how it is hears the truth: one kind that is not answered is a fault, an absent server is none.

Limits are shorter here than they are in production; what is measured against them is the same.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import pytest

from fairlead_operator.cache import liveness
from fairlead_operator.controller import health

from ..ground import Ground
from ..operator.harness import side_by_side
from ..waiting import eventually
from . import streams
from .actions import Action
from .exchange import Request
from .proxy import FaultProxy
from .scene import Scene, scene

STUCK_SECONDS = 20.0
AWAY_SECONDS = 8.0
AWAY = "alive, but the API server does not answer\n"
_SILENCE = re.compile(r'^fairlead_operator_watch_silence_seconds\{kind="(\w+)"\} (\S+)$', re.MULTILINE)


def ask(here: Scene, path: str) -> tuple[int, str]:
    """Status and text of what the operator answers."""
    connection = HTTPConnection("127.0.0.1", here.operator.settings.port, timeout=30.0)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def silences(here: Scene) -> dict[str, float]:
    """What the metric says, in seconds by kind."""
    return {kind: float(seconds) for kind, seconds in _SILENCE.findall(ask(here, "/metrics")[1])}


@contextmanager
def unanswered(here: Scene, *held: tuple[Callable[[Request], bool], Action]) -> Iterator[None]:
    """These meet the action, those under way are cut; at the end all go through again."""
    rules = [here.proxy.rule(match, action, count=None) for match, action in held]
    for match, _ in held:
        here.proxy.cut(match)
    try:
        yield
    finally:
        for rule in rules:
            rule.end()
        for match, _ in held:
            here.proxy.cut(match)


def one_kind_is_stuck(here: Scene) -> None:
    """Lists of ApiServices hang, and watches of them are accepted and tell of nothing."""
    here.start()
    assert ask(here, "/healthz") == (200, "ok\n")
    lists, watches = (match("apisvcs", replica=here.name) for match in (streams.is_list, streams.is_watch))
    with unanswered(here, (lists, streams.hung), (watches, streams.silent)):
        eventually(lambda: ask(here, "/healthz") == (503, "stuck: ApiService\n"), what="/healthz fails")
        found = silences(here)
        assert {kind for kind, seconds in found.items() if seconds > STUCK_SECONDS} == {"ApiService"}
        assert {"Lease", "ApiServiceClass", "Deployment", "ConfigMap"} <= set(found)
    eventually(lambda: ask(here, "/healthz") == (200, "ok\n"), what="/healthz is well again")
    eventually(lambda: silences(here)["ApiService"] < STUCK_SECONDS / 2, what="the silence is over")
    here.assert_sound()


def the_server_is_away(here: Scene) -> None:
    """It is away before the operator starts, and once more when it runs: connections are reset, then nothing comes."""
    told: list[tuple[int, str]] = []

    def told_by_healthz() -> str:
        told.append(ask(here, "/healthz"))
        return told[-1][1]

    ours = lambda request: request.replica == here.name  # noqa: E731
    with ThreadPoolExecutor(1) as beside:
        with here.proxy.outage(ours):
            starting = beside.submit(here.start)
            eventually(lambda: here.operators and is_listening(here), what="it serves its paths")
            eventually(lambda: told_by_healthz() == AWAY, what="it is alive")
            status, text = ask(here, "/readyz")
            assert (status, text.split(": ")[0]) == (503, "not read yet")
        starting.result()
    assert ask(here, "/readyz") == (200, "ok\n")
    eventually(lambda: told_by_healthz() == "ok\n", what="it is well")
    with unanswered(here, (ours, streams.hung)):
        eventually(lambda: min(silences(here).values()) > STUCK_SECONDS * 1.5, what="everything has long been silent")
        assert told_by_healthz() == AWAY
        assert ask(here, "/readyz") == (200, "ok\n")
    eventually(
        lambda: told_by_healthz() == "ok\n" and max(silences(here).values()) < STUCK_SECONDS / 2, what="all is heard"
    )
    assert {status for status, _ in told} == {200}
    here.operator.stop()


def is_listening(here: Scene) -> bool:
    """Whether anything answers on its port."""
    try:
        ask(here, "/metrics")
    except ConnectionRefusedError:
        return False
    return True


def test_one_that_is_not_answered_is_a_fault_and_an_absent_server_is_none(
    ground: Ground, before_operators: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SILENCE_SECONDS", STUCK_SECONDS)
    monkeypatch.setattr(liveness, "AWAY_SECONDS", AWAY_SECONDS)
    with scene(ground, before_operators) as one, scene(ground, before_operators) as other:
        side_by_side(lambda: one_kind_is_stuck(one), lambda: the_server_is_away(other))
