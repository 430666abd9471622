"""What counts as news of a kind, and what as an answer only."""

from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from fairlead_operator.cache.records import CachedChild, Name
from fairlead_operator.cache.store import Store
from fairlead_operator.errors import ApiError, Forbidden, Gone, NotFound, OperatorError, Unreachable
from fairlead_operator.kube.client import Client
from fairlead_operator.kube.kinds import Kind

from .informing import NOTHING, SILENCE, Scripted, go, informer
from .server import config_map

MARK = ("BOOKMARK", config_map("", 110))
HUNG = Unreachable("hung")


class Answering(Scripted):
    """Ends those windows itself that report nothing; a list that is HUNG takes half a minute."""

    def __init__(
        self, windows: list[list[tuple[str, dict[str, Any]]] | OperatorError], *, lists: list[OperatorError | None]
    ) -> None:
        super().__init__(windows)
        self.lists = lists
        self.times.rounds = max(len(windows), len(lists))

    async def read_all(
        self, kind: Kind, read: Callable[[dict[str, Any]], tuple[Name, CachedChild]], **given: str
    ) -> tuple[list[tuple[Name, CachedChild]], str]:
        error = self.lists[min(self.requested.count("list"), len(self.lists) - 1)]
        if error is not None:
            self.requested.append("list")
            self.times.now += 30.0 if error is HUNG else 0.0
            raise error
        return await super().read_all(kind, read, **given)

    async def watch(
        self, kind: Kind, *, since: str, seconds: int, ended: Callable[[], None] = lambda: None, **given: Any
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        async for each in super().watch(kind, since=since, seconds=seconds, **given):
            yield each
            return
        ended()


GONE = Gone("WATCH", code=410, reason="Expired", message="")
BROKEN = ApiError("GET", code=500, reason="", message="")
FORBIDDEN = Forbidden("GET", code=403, reason="", message="")
ABSENT = NotFound("GET", code=404, reason="", message="")
MOST_SECONDS = 25.0


@pytest.mark.parametrize(
    ("windows", "lists", "heard", "answered"),
    [
        pytest.param([NOTHING] * 9, [None], True, True, id="windows that the server ends"),
        pytest.param([[MARK]] * 30, [None], True, True, id="bookmarks, and no end"),
        pytest.param([SILENCE] * 9, [None], True, True, id="watches hang, and lists come instead"),
        pytest.param([SILENCE, SILENCE], [None, *[HUNG] * 6], False, False, id="watches hang, and lists too"),
        pytest.param([], [HUNG] * 6, False, False, id="a list hangs from the start"),
        pytest.param([Unreachable("refused")] * 2, [None, *[HUNG] * 6], False, False, id="no connection, then none"),
        pytest.param([GONE], [None, *[BROKEN] * 12], False, True, id="errors"),
        pytest.param([GONE], [None, *[FORBIDDEN] * 12], True, True, id="forbidden"),
        pytest.param([GONE], [None, *[ABSENT] * 12], True, True, id="not served"),
    ],
)
async def test_only_what_the_server_answers_is_heard(
    windows: list[list[tuple[str, dict[str, Any]]] | OperatorError],
    lists: list[OperatorError | None],
    heard: bool,
    answered: bool,
) -> None:
    server = Answering(windows, lists=lists)
    times, store = server.times, Store[CachedChild]()
    following = informer(cast("Client", server), store, times)
    await go(following, times)
    assert times.now > MOST_SECONDS
    assert (times.now - following.liveness.heard_at < MOST_SECONDS) is heard
    assert (times.now - following.liveness.answered_at < MOST_SECONDS) is answered


async def test_a_page_is_an_answer_and_only_a_whole_list_is_heard() -> None:
    class Stuck(Scripted):
        async def read_all(
            self, kind: Kind, read: Callable[[dict[str, Any]], tuple[Name, CachedChild]], **given: str
        ) -> tuple[list[tuple[Name, CachedChild]], str]:
            self.times.now += 5.0
            read(config_map("a", 1))
            raise Unreachable("the second page")

    server = Stuck([])
    server.times.rounds = 1
    following = informer(cast("Client", server), Store[CachedChild](), server.times)
    await go(following, server.times)
    assert (following.liveness.heard_at, following.liveness.answered_at) == (0.0, 5.0)
