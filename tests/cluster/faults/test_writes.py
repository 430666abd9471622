"""Every write of create, edit and delete meets every fault, and the end is the one without faults.

Lives are led side by side; which write is the n-th is not the same each time, so a failure names the one it was.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from ..ground import Ground
from ..waiting import eventually
from . import actions
from .actions import Action
from .chronicle import Chronicle
from .exchange import Request
from .lanes import Stage, side_by_side
from .life import CHAPTERS, RECOVERY_SECONDS, End, Lane, Life, difference

LANES = 6
AT_ONCE = 12
STRIDE = 6
OUTAGE_SECONDS = 60.0
HANG_SECONDS = 30.0
REFUSED_SECONDS = 10.0
# What has to wait for no other kind.
FIRST_KINDS = {"ServiceAccount", "ConfigMap", "Service", "Ingress", "PrometheusRule", "ServiceMonitor", "PodMonitor"}
Reference = dict[str, End]

DEATHS: dict[str, Callable[[Lane], Action]] = {
    "killed before it": lambda lane: actions.call_before(lane.operator.kill),
    "killed after it": lambda lane: actions.call_after(lane.operator.kill),
}
ANSWERS: dict[str, Action] = {
    "answer-409": actions.answer(409, reason="Conflict"),
    "answer-422": actions.answer(422, reason="Invalid"),
    "answer-429": actions.answer(429, reason="TooManyRequests", retry_after=1),
    "answer-500": actions.answer(500, reason="InternalError"),
    "answer-503": actions.answer(503, reason="ServiceUnavailable"),
    "answer-504": actions.answer(504, reason="Timeout"),
    "lost": actions.lose_reply,
    "cut-off": actions.cut_body,
}


@pytest.fixture(scope="module")
def stage(ground: Ground, admin_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """What all lanes share."""
    stage = Stage(ground, Chronicle(admin_config), tmp_path_factory.mktemp("operators"))
    with stage.proxy, stage.chronicle, stage.zygote:
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
        life = Life(lane, "unharmed")
        ends.append({chapter: life.tell(chapter) for chapter in CHAPTERS})

    faults = side_by_side(lanes[:2], [live, live])
    assert not faults, "\n".join(faults)
    first, second = ends
    for chapter in CHAPTERS:
        assert not (fault := difference(first[chapter].state, second[chapter].state)), fault
        assert second[chapter].events == first[chapter].events
        print(f"{chapter}: {len(first[chapter].writes)} writes, {first[chapter].requests} requests")
    return first


def tell_all(life: Life, reference: Reference, action: Action, *, writes: Callable[[str], range]) -> int:
    """All chapters, with `action` on the writes of each; how often it was met. A failure names those that met it."""
    met = 0
    for chapter in CHAPTERS:
        rules = [life.lane.proxy.rule(life.writes, action, after=number) for number in writes(chapter)]
        try:
            life.tell(chapter, expected=reference[chapter])
        except AssertionError as error:
            hits = [str(hit) for rule in rules for hit in rule.hits]
            raise AssertionError(f"{life.name}: after {hits}: {error}") from error
        finally:
            for rule in rules:
                rule.end()
        met += sum(len(rule.hits) for rule in rules)
    return met


@pytest.mark.parametrize("death", DEATHS)
def test_killed_at_any_write_the_end_is_the_same(lanes: list[Lane], reference: Reference, death: str) -> None:
    met: list[int] = []

    def live(lane: Lane, number: int) -> None:
        def writes(chapter: str) -> range:
            return range(number, min(number + 1, len(reference[chapter].writes)))

        life = Life(lane, f"{death.split()[1]}-{number}", be_killed=True)
        met.append(tell_all(life, reference, DEATHS[death](lane), writes=writes))

    counts = [len(end.writes) for end in reference.values()]
    faults = side_by_side(lanes, [partial(live, number=number) for number in range(max(counts))])
    assert not faults, "\n".join(faults)
    assert_met(met, sum(counts))


def test_whatever_is_answered_to_any_write_the_end_is_the_same(stage: Stage, reference: Reference) -> None:
    met: list[int] = []

    def live(lane: Lane, answer: str, first: int) -> None:
        def writes(chapter: str) -> range:
            return range(first, counts[chapter], STRIDE)

        life = Life(lane, f"{answer}-{first}", has_others=True)
        met.append(tell_all(life, reference, ANSWERS[answer], writes=writes))

    counts = {chapter: sum(1 for each in reference[chapter].writes if each.name) for chapter in CHAPTERS}
    with stage.lane() as lane:
        works = [partial(live, answer=answer, first=first) for answer in ANSWERS for first in range(STRIDE)]
        faults = side_by_side([lane], works, at_once=AT_ONCE)
        assert not faults, "\n".join(faults)
        assert len(lane.operator.started_at) == 1
    assert_met(met, len(ANSWERS) * sum(counts.values()))


def assert_met(met: list[int], planned: int) -> None:
    """The last writes of a chapter are not always as many; were they many fewer, the test would have shown little."""
    print(f"{sum(met)} of {planned} faults met")
    assert sum(met) >= 0.9 * planned


def outage(lane: Lane, life: Life) -> None:
    """Nothing passes for a minute, from the third write on; no kind is tried more often than once a second."""
    met = lane.proxy.rule(life.writes, actions.reset, after=2)
    life.act("create")
    eventually(lambda: met.hits, what="the operator is at work")
    with lane.proxy.outage(lambda request: request.replica == lane.namespace) as out:
        time.sleep(OUTAGE_SECONDS)
    over = time.monotonic()
    tries = Counter(each.path for each in out.hits if not each.writes and each.resource != "leases")
    assert max(tries.values()) <= OUTAGE_SECONDS, tries.most_common(3)
    life.resumes(since=over)


def hanging(lane: Lane, life: Life) -> None:
    """One write is not answered, and lands when the operator has given it up and tried again."""
    met = lane.proxy.rule(life.writes, actions.hang(HANG_SECONDS + RECOVERY_SECONDS), after=4)
    life.act("create")
    hanging = eventually(lambda: met.hits, what="the operator is at work")[0]
    time.sleep(HANG_SECONDS)
    life.resumes(since=hanging.at + HANG_SECONDS, match=lambda request: request.name == hanging.name)
    # Later it would make what the next chapters take away: no operator can call back what is on its way.
    eventually(lambda: hanging.landed is not None, what="the write lands", timeout_seconds=2 * RECOVERY_SECONDS)


def forbidden(lane: Lane, life: Life) -> None:
    """One kind may neither be read nor written: all others are there, and the status tells it."""

    def about_it(request: Request) -> bool:
        return request.replica == lane.namespace and request.resource == "networkpolicies"

    refusal = actions.answer(403, reason="Forbidden", message="networkpolicies is forbidden")
    rule = lane.proxy.rule(about_it, refusal, count=None)
    lane.proxy.cut(about_it)
    life.act("create")
    eventually(lambda: life.condition("Ready").get("reason") == "Refused", what="the status tells of the refusal")
    assert "NetworkPolicy" in life.condition("Ready")["message"]
    eventually(lambda: life.kinds() >= FIRST_KINDS, what="what was not refused is there")
    time.sleep(REFUSED_SECONDS)
    rule.end()
    life.resumes(since=time.monotonic(), match=about_it)


def test_faults_that_last(lanes: list[Lane], reference: Reference) -> None:
    def live(lane: Lane, fault: Callable[[Lane, Life], None]) -> None:
        starts, life = len(lane.operator.started_at), Life(lane, f"life-{fault.__name__}")
        try:
            fault(lane, life)
            life.reach("create", expected=reference["create"])
            for chapter in ("edit", "delete"):
                life.tell(chapter, expected=reference[chapter])
        except AssertionError as error:
            raise AssertionError(f"{fault.__name__}: {error}") from error
        assert len(lane.operator.started_at) == starts

    faults = side_by_side(lanes, [partial(live, fault=each) for each in (outage, hanging, forbidden)])
    assert not faults, "\n".join(faults)
