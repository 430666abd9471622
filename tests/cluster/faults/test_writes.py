"""Every write of create, edit and delete meets every fault, and the end is the one without faults.

Lives are led side by side; which write is the n-th is not the same each time, so a failure names the one it was.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from tests.thorough import Share

from ..ground import Ground
from ..waiting import eventually
from . import actions
from .actions import Action
from .chronicle import Chronicle
from .exchange import Request
from .lanes import Stage, side_by_side
from .life import CHAPTERS, End, Lane, Life, difference
from .recovery import RECOVERY_SECONDS, recovery_seconds

# Lives of some minutes.
pytestmark = pytest.mark.timeout(2400)
LANES = 6
AT_ONCE = 12
STRIDE = 6
UNHARMED = 3
# How many lives may be led until one has an n-th write: some tell less of their way by a status, or an Event.
MOST_LIVES = 4
OUTAGE_SECONDS = 60.0
HANG_SECONDS = 30.0
REFUSED_SECONDS = 10.0
# What has to wait for no other kind.
FIRST_KINDS = {"ServiceAccount", "ConfigMap", "Service", "Ingress", "PrometheusRule", "ServiceMonitor", "PodMonitor"}
Reference = dict[str, End]
# The numbers of the writes that are to meet a fault, by chapter.
Plan = dict[str, list[int]]

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
    chosen: Reference = {}
    for chapter in CHAPTERS:
        assert not (fault := difference(first[chapter].state, second[chapter].state)), fault
        assert second[chapter].events == first[chapter].events
        # How many statuses tell of the way is not the same each time; what is in the fewest is in every life.
        chosen[chapter] = min(first[chapter], second[chapter], key=lambda end: len(end.writes))
        print(f"{chapter}: {len(chosen[chapter].writes)} writes, {chosen[chapter].requests} requests")
    return chosen


@dataclass
class Told:
    """What lives came to: how long each write that met a fault took to be made up for, by its description."""

    recoveries: dict[str, float] = field(default_factory=dict)

    def chapter(self, life: Life, chapter: str, reference: Reference, action: Action, numbers: list[int]) -> list[int]:
        """Tell it, with `action` on these writes; those that it was without. A failure names what met the action."""
        rules = {number: life.lane.proxy.rule(life.writes, action, after=number) for number in numbers}
        try:
            end = life.tell(chapter, expected=reference[chapter])
        except AssertionError as error:
            met = [str(hit) for rule in rules.values() for hit in rule.hits]
            raise AssertionError(f"{life.name}: after {met}: {error}") from error
        finally:
            for rule in rules.values():
                rule.end()
        hits = [hit for rule in rules.values() for hit in rule.hits]
        self.recoveries |= {f"{chapter}: {hit}": recovery_seconds(hit, hits, end.writes) for hit in hits}
        return [number for number, rule in rules.items() if not rule.hits]

    def lives(self, start: Callable[[str], Life], name: str, reference: Reference, action: Action, plan: Plan) -> None:
        """Lead lives until every write of the plan has met the action."""
        for number in range(MOST_LIVES):
            life = start(f"{name}-{number}")
            left = {each: self.chapter(life, each, reference, action, plan.get(each, [])) for each in CHAPTERS}
            plan = {chapter: numbers for chapter, numbers in left.items() if numbers}
            if not plan:
                return
        raise AssertionError(f"{name}: {MOST_LIVES} lives came to their ends without these writes: {plan}")


@pytest.mark.parametrize("death", DEATHS)
def test_killed_at_any_write_the_end_is_the_same(
    lanes: list[Lane], reference: Reference, share: Share, death: str
) -> None:
    counts = {chapter: len(end.writes) for chapter, end in reference.items()}

    numbers = share.pick(range(max(counts.values())))

    def live(lane: Lane, number: int) -> None:
        plan = {chapter: [number] for chapter, count in counts.items() if number < count}
        start = partial(Life, lane, be_killed=True)
        Told().lives(start, f"{death.split()[1]}-{number}", reference, DEATHS[death](lane), plan)

    faults = side_by_side(lanes, [partial(live, number=number) for number in numbers])
    assert not faults, "\n".join(faults)


def test_whatever_is_answered_to_any_write_it_is_made_up_for_and_the_end_is_the_same(
    stage: Stage, reference: Reference, share: Share
) -> None:
    counts = {chapter: sum(1 for each in reference[chapter].writes if each.name) for chapter in CHAPTERS}

    told, usual = Told(), []

    def live(lane: Lane, answer: str, first: int) -> None:
        plan = {chapter: list(range(first, count, STRIDE)) for chapter, count in counts.items()}
        start = partial(Life, lane, has_others=True)
        told.lives(start, f"{answer}-{first}", reference, ANSWERS[answer], plan)

    def live_unharmed(lane: Lane, number: int) -> None:
        """How long one pass takes while there is so much to do: what is applied before provisioning needs no other."""
        life = Life(lane, f"usual-{number}", has_others=True)
        began = time.monotonic()
        end = life.tell("create", expected=reference["create"])
        usual.append(max(each.over or 0.0 for each in end.writes if each.resource == "jobs") - began)
        life.tell("delete")

    with stage.lane() as lane:
        pairs = share.pick([(first, answer) for first in range(STRIDE) for answer in ANSWERS])
        works: list[Callable[[Lane], None]] = [partial(live, answer=answer, first=first) for first, answer in pairs]
        for number in range(UNHARMED):  # spread among the others
            works.insert((2 * number + 1) * len(pairs) // (2 * UNHARMED), partial(live_unharmed, number=number))
        faults = side_by_side([lane], works, at_once=AT_ONCE)
        assert not faults, "\n".join(faults)
        assert len(lane.operator.started_at) == 1
    print(f"made up for within {max(told.recoveries.values()):.1f} s, where one pass takes {max(usual):.1f} s")
    slow = {each: seconds for each, seconds in told.recoveries.items() if seconds > RECOVERY_SECONDS + max(usual)}
    assert not slow


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


def test_faults_that_last(lanes: list[Lane], reference: Reference, share: Share) -> None:
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

    faults = side_by_side(lanes, [partial(live, fault=each) for each in share.pick((outage, hanging, forbidden))])
    assert not faults, "\n".join(faults)
