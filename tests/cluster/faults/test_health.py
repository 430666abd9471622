"""What the operator reports about its health: one kind that is not answered is a fault, an absent server is none.

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

from ..access import OperatorAccess
from ..operator.harness import side_by_side
from ..waiting import eventually
from . import streams
from .actions import Action
from .environment import Environment, environment
from .exchange import Request
from .proxy import FaultProxy

STUCK_SECONDS = 20.0
AWAY_SECONDS = 8.0
AWAY = "alive, but the API server does not answer\n"
_SILENCE = re.compile(r'^fairlead_operator_watch_silence_seconds\{kind="(\w+)"\} (\S+)$', re.MULTILINE)


def ask(env: Environment, path: str) -> tuple[int, str]:
    """Status and text of what the operator answers."""
    connection = HTTPConnection("127.0.0.1", env.operator.settings.port, timeout=30.0)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def silences(env: Environment) -> dict[str, float]:
    """What the metric says, in seconds by kind."""
    return {kind: float(seconds) for kind, seconds in _SILENCE.findall(ask(env, "/metrics")[1])}


@contextmanager
def unanswered(env: Environment, *held: tuple[Callable[[Request], bool], Action]) -> Iterator[None]:
    """These meet the action, those under way are cut; at the end all go through again."""
    rules = [env.proxy.rule(match, action, count=None) for match, action in held]
    for match, _ in held:
        env.proxy.cut(match)
    try:
        yield
    finally:
        for rule in rules:
            rule.end()
        for match, _ in held:
            env.proxy.cut(match)


def one_kind_is_stuck(env: Environment) -> None:
    """Lists of ApiServices hang, and watches of them are accepted and report nothing."""
    env.start()
    assert ask(env, "/healthz") == (200, "ok\n")
    lists, watches = (match("apisvcs", replica=env.name) for match in (streams.is_list, streams.is_watch))
    with unanswered(env, (lists, streams.hung), (watches, streams.silent)):
        eventually(lambda: ask(env, "/healthz") == (503, "stuck: ApiService\n"), what="/healthz fails")
        found = silences(env)
        assert {kind for kind, seconds in found.items() if seconds > STUCK_SECONDS} == {"ApiService"}
        assert {"Lease", "ApiServiceClass", "Deployment", "ConfigMap"} <= set(found)
    eventually(lambda: ask(env, "/healthz") == (200, "ok\n"), what="/healthz succeeds again")
    eventually(lambda: silences(env)["ApiService"] < STUCK_SECONDS / 2, what="the silence is over")
    env.assert_sound()


def the_server_is_away(env: Environment) -> None:
    """It is away before the operator starts, and once more when it runs: connections are reset, then nothing comes."""
    answers: list[tuple[int, str]] = []

    def ask_healthz() -> str:
        answers.append(ask(env, "/healthz"))
        return answers[-1][1]

    ours = lambda request: request.replica == env.name  # noqa: E731
    with ThreadPoolExecutor(1) as beside:
        with env.proxy.outage(ours):
            starting = beside.submit(env.start)
            eventually(lambda: env.operators and is_listening(env), what="it serves its paths")
            eventually(lambda: ask_healthz() == AWAY, what="it is alive")
            status, text = ask(env, "/readyz")
            assert (status, text.split(": ")[0]) == (503, "not read yet")
        starting.result()
    assert ask(env, "/readyz") == (200, "ok\n")
    eventually(lambda: ask_healthz() == "ok\n", what="it is well")
    with unanswered(env, (ours, streams.hung)):
        eventually(lambda: min(silences(env).values()) > STUCK_SECONDS * 1.5, what="everything has long been silent")
        assert ask_healthz() == AWAY
        assert ask(env, "/readyz") == (200, "ok\n")
    eventually(
        lambda: ask_healthz() == "ok\n" and max(silences(env).values()) < STUCK_SECONDS / 2, what="all answer again"
    )
    assert {status for status, _ in answers} == {200}
    env.operator.stop()


def is_listening(env: Environment) -> bool:
    """Whether anything answers on its port."""
    try:
        ask(env, "/metrics")
    except ConnectionRefusedError:
        return False
    return True


def test_one_that_is_not_answered_is_a_fault_and_an_absent_server_is_none(
    access: OperatorAccess, before_operators: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SILENCE_SECONDS", STUCK_SECONDS)
    monkeypatch.setattr(liveness, "AWAY_SECONDS", AWAY_SECONDS)
    with environment(access, before_operators) as one, environment(access, before_operators) as other:
        side_by_side(lambda: one_kind_is_stuck(one), lambda: the_server_is_away(other))
