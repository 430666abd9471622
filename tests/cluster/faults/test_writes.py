"""Every write of create, edit and delete meets every fault, and the end is the one without faults.

Lives are led side by side; which write is the n-th is not the same each time, so a failure names the one it was.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..controlplane import ADMINS, Cluster
from . import actions
from .actions import Action
from .lanes import Stage, side_by_side
from .life import CHAPTERS, End, Lane, Life

LANES = 6
Reference = dict[str, End]

DEATHS: dict[str, Callable[[Lane], Action]] = {
    "killed before it": lambda lane: actions.call_before(lane.operator.kill),
    "killed after it": lambda lane: actions.call_after(lane.operator.kill),
}
ANSWERS: dict[str, Action] = {
    "409": actions.answer(409, reason="Conflict"),
    "422": actions.answer(422, reason="Invalid"),
    "429": actions.answer(429, reason="TooManyRequests", retry_after=1),
    "500": actions.answer(500, reason="InternalError"),
    "503": actions.answer(503, reason="ServiceUnavailable"),
    "504": actions.answer(504, reason="Timeout"),
    "reply lost": actions.lose_reply,
    "reply cut off": actions.cut_body,
}


@pytest.fixture(scope="module")
def stage(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """What all lanes share."""
    kubeconfig: Path = cluster.kubeconfig("admin", groups=ADMINS)
    stage = Stage(kubeconfig, tmp_path_factory.mktemp("operators"))
    with stage.admin, stage.proxy, stage.chronicle, stage.zygote:
        yield stage


@pytest.fixture(scope="module")
def lanes(stage: Stage) -> Iterator[list[Lane]]:
    """Lanes with an operator each."""
    with ExitStack() as stack:
        yield [stack.enter_context(stage.lane()) for _ in range(LANES)]


@pytest.fixture(scope="module")
def reference(lanes: list[Lane]) -> Reference:
    """How each chapter ends without any fault; two lives have to agree on it."""
    ends: list[Reference] = []

    def live(lane: Lane) -> None:
        life = Life(lane, "reference")
        ends.append({chapter: life.tell(chapter) for chapter in CHAPTERS})

    faults = side_by_side(lanes[:2], [live, live])
    assert not faults, "\n".join(faults)
    first, second = ends
    for chapter in CHAPTERS:
        assert second[chapter].state == first[chapter].state
        assert second[chapter].events == first[chapter].events
    return first


def test_reference(reference: Reference) -> None:
    for chapter in CHAPTERS:
        print(chapter, len(reference[chapter].writes), reference[chapter].requests)
        for each in reference[chapter].writes:
            print("  ", each)
        for text in reference[chapter].state:
            print("      ", text[:3000])
        print(reference[chapter].events)
