"""Every write of create, edit and delete meets every fault, and the end is the one without faults.

Lifecycles run side by side; which write is the n-th is not the same each time, so a failure names the one it was.
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

from ..access import OperatorAccess
from ..waiting import eventually
from . import actions
from .actions import Action
from .exchange import Request
from .lanes import LaneSetup, side_by_side
from .lifecycle import PHASES, End, Lane, Lifecycle, difference
from .object_log import ObjectLog
from .recovery import RECOVERY_SECONDS, recovery_seconds

# Lifecycles of some minutes.
pytestmark = pytest.mark.timeout(2400)
LANES = 6
AT_ONCE = 12
STRIDE = 6
WITHOUT_FAULT = 3
# How many lifecycles may run until one has an n-th write: some write fewer statuses or Events on their way.
MOST_LIFECYCLES = 4
OUTAGE_SECONDS = 60.0
HANG_SECONDS = 30.0
REFUSED_SECONDS = 10.0
# What has to wait for no other kind.
FIRST_KINDS = {"ServiceAccount", "ConfigMap", "Service", "Ingress", "PrometheusRule", "ServiceMonitor", "PodMonitor"}
Reference = dict[str, End]
# The numbers of the writes that are to meet a fault, by phase.
Plan = dict[str, list[int]]

KILLS: dict[str, Callable[[Lane], Action]] = {
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
def lane_setup(
    access: OperatorAccess, admin_config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LaneSetup]:
    """What all lanes share."""
    lane_setup = LaneSetup(access, ObjectLog(admin_config), tmp_path_factory.mktemp("operators"))
    with lane_setup.proxy, lane_setup.object_log, lane_setup.fork_server:
        yield lane_setup


@pytest.fixture(scope="module")
def lanes(lane_setup: LaneSetup) -> Iterator[list[Lane]]:
    """Lanes with an operator each."""
    with ExitStack() as stack:
        yield [stack.enter_context(lane_setup.lane()) for _ in range(LANES)]


@pytest.fixture(scope="module")
def reference(lanes: list[Lane]) -> Reference:
    """How each phase ends without any fault; two lifecycles have to agree on it."""
    ends: list[Reference] = []

    def run(lane: Lane) -> None:
        lifecycle = Lifecycle(lane, "without-fault")
        ends.append({phase: lifecycle.run(phase) for phase in PHASES})

    faults = side_by_side(lanes[:2], [run, run])
    assert not faults, "\n".join(faults)
    first, second = ends
    chosen: Reference = {}
    for phase in PHASES:
        assert not (fault := difference(first[phase].state, second[phase].state)), fault
        assert second[phase].events == first[phase].events
        # How many statuses are written is not the same each time; what is in the fewest is in every lifecycle.
        chosen[phase] = min(first[phase], second[phase], key=lambda end: len(end.writes))
        print(f"{phase}: {len(chosen[phase].writes)} writes, {chosen[phase].requests} requests")
    return chosen


@dataclass
class FaultRuns:
    """The results of lifecycles: how long each write that met a fault took to be made up for, by its description."""

    recoveries: dict[str, float] = field(default_factory=dict)

    def phase(
        self, lifecycle: Lifecycle, phase: str, reference: Reference, action: Action, numbers: list[int]
    ) -> list[int]:
        """Run it, with `action` on these writes; returns those that it was without. A failure names the writes."""
        rules = {number: lifecycle.lane.proxy.rule(lifecycle.writes, action, after=number) for number in numbers}
        try:
            end = lifecycle.run(phase, expected=reference[phase])
        except AssertionError as error:
            met = [str(hit) for rule in rules.values() for hit in rule.hits]
            raise AssertionError(f"{lifecycle.name}: after {met}: {error}") from error
        finally:
            for rule in rules.values():
                rule.end()
        hits = [hit for rule in rules.values() for hit in rule.hits]
        self.recoveries |= {f"{phase}: {hit}": recovery_seconds(hit, hits, end.writes) for hit in hits}
        return [number for number, rule in rules.items() if not rule.hits]

    def lifecycles(
        self, start: Callable[[str], Lifecycle], name: str, reference: Reference, action: Action, plan: Plan
    ) -> None:
        """Run lifecycles until every write of the plan has met the action."""
        for number in range(MOST_LIFECYCLES):
            lifecycle = start(f"{name}-{number}")
            left = {each: self.phase(lifecycle, each, reference, action, plan.get(each, [])) for each in PHASES}
            plan = {phase: numbers for phase, numbers in left.items() if numbers}
            if not plan:
                return
        raise AssertionError(f"{name}: {MOST_LIFECYCLES} lifecycles ended without these writes: {plan}")


@pytest.mark.parametrize("kill", KILLS)
def test_killed_at_any_write_the_end_is_the_same(
    lanes: list[Lane], reference: Reference, share: Share, kill: str
) -> None:
    counts = {phase: len(end.writes) for phase, end in reference.items()}

    numbers = share.pick(range(max(counts.values())))

    def run(lane: Lane, number: int) -> None:
        plan = {phase: [number] for phase, count in counts.items() if number < count}
        start = partial(Lifecycle, lane, be_killed=True)
        FaultRuns().lifecycles(start, f"{kill.split()[1]}-{number}", reference, KILLS[kill](lane), plan)

    faults = side_by_side(lanes, [partial(run, number=number) for number in numbers])
    assert not faults, "\n".join(faults)


def test_whatever_is_answered_to_any_write_it_is_made_up_for_and_the_end_is_the_same(
    lane_setup: LaneSetup, reference: Reference, share: Share
) -> None:
    counts = {phase: sum(1 for each in reference[phase].writes if each.name) for phase in PHASES}

    fault_runs, usual = FaultRuns(), []

    def run(lane: Lane, answer: str, first: int) -> None:
        plan = {phase: list(range(first, count, STRIDE)) for phase, count in counts.items()}
        start = partial(Lifecycle, lane, has_others=True)
        fault_runs.lifecycles(start, f"{answer}-{first}", reference, ANSWERS[answer], plan)

    def run_without_fault(lane: Lane, number: int) -> None:
        """How long one pass takes while there is so much to do: what is applied before provisioning needs no other."""
        lifecycle = Lifecycle(lane, f"usual-{number}", has_others=True)
        began = time.monotonic()
        end = lifecycle.run("create", expected=reference["create"])
        usual.append(max(each.over or 0.0 for each in end.writes if each.resource == "jobs") - began)
        lifecycle.run("delete")

    with lane_setup.lane() as lane:
        pairs = share.pick([(first, answer) for first in range(STRIDE) for answer in ANSWERS])
        works: list[Callable[[Lane], None]] = [partial(run, answer=answer, first=first) for first, answer in pairs]
        for number in range(WITHOUT_FAULT):  # spread among the others
            position = (2 * number + 1) * len(pairs) // (2 * WITHOUT_FAULT)
            works.insert(position, partial(run_without_fault, number=number))
        faults = side_by_side([lane], works, at_once=AT_ONCE)
        assert not faults, "\n".join(faults)
        assert len(lane.operator.started_at) == 1
    print(f"made up for within {max(fault_runs.recoveries.values()):.1f} s, where one pass takes {max(usual):.1f} s")
    slow = {each: seconds for each, seconds in fault_runs.recoveries.items() if seconds > RECOVERY_SECONDS + max(usual)}
    assert not slow


def outage(lane: Lane, lifecycle: Lifecycle) -> None:
    """Nothing passes for a minute, from the third write on; no kind is listed, or watched, more than once a second."""
    met = lane.proxy.rule(lifecycle.writes, actions.reset, after=2)
    lifecycle.act("create")
    eventually(lambda: met.hits, what="the operator is at work")
    began = time.monotonic()
    with lane.proxy.outage(lambda request: request.replica == lane.namespace) as out:
        time.sleep(OUTAGE_SECONDS)
    over = time.monotonic()
    tries = Counter(
        (each.path, "watch" in each.query) for each in out.hits if not each.writes and each.resource != "leases"
    )
    assert max(tries.values()) <= over - began + AT_ONCE, tries.most_common(3)
    lifecycle.resumes(since=over)


def hanging(lane: Lane, lifecycle: Lifecycle) -> None:
    """One write is not answered, and lands when the operator has given it up and tried again."""
    met = lane.proxy.rule(lifecycle.writes, actions.hang(HANG_SECONDS + RECOVERY_SECONDS), after=4)
    lifecycle.act("create")
    hanging = eventually(lambda: met.hits, what="the operator is at work")[0]
    time.sleep(HANG_SECONDS)
    lifecycle.resumes(since=hanging.at + HANG_SECONDS, match=lambda request: request.name == hanging.name)
    # Later it would make what the next phases take away: no operator can withdraw what is on its way.
    eventually(lambda: hanging.landed is not None, what="the write lands", timeout_seconds=2 * RECOVERY_SECONDS)


def forbidden(lane: Lane, lifecycle: Lifecycle) -> None:
    """One kind may neither be read nor written: all others are there, and the status reports it."""

    def about_it(request: Request) -> bool:
        return request.replica == lane.namespace and request.resource == "networkpolicies"

    refusal = actions.answer(403, reason="Forbidden", message="networkpolicies is forbidden")
    rule = lane.proxy.rule(about_it, refusal, count=None)
    lane.proxy.cut(about_it)
    lifecycle.act("create")
    eventually(lambda: lifecycle.condition("Ready").get("reason") == "Refused", what="the status reports the refusal")
    assert "NetworkPolicy" in lifecycle.condition("Ready")["message"]
    eventually(lambda: lifecycle.kinds() >= FIRST_KINDS, what="what was not refused is there")
    time.sleep(REFUSED_SECONDS)
    rule.end()
    lifecycle.resumes(since=time.monotonic(), match=about_it)


def test_faults_that_last(lanes: list[Lane], reference: Reference, share: Share) -> None:
    def run(lane: Lane, fault: Callable[[Lane, Lifecycle], None]) -> None:
        starts, lifecycle = len(lane.operator.started_at), Lifecycle(lane, f"lifecycle-{fault.__name__}")
        try:
            fault(lane, lifecycle)
            lifecycle.reach("create", expected=reference["create"])
            for phase in ("edit", "delete"):
                lifecycle.run(phase, expected=reference[phase])
        except AssertionError as error:
            raise AssertionError(f"{fault.__name__}: {error}") from error
        assert len(lane.operator.started_at) == starts

    faults = side_by_side(lanes, [partial(run, fault=each) for each in share.pick((outage, hanging, forbidden))])
    assert not faults, "\n".join(faults)
