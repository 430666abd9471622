"""Which deliveries of a key may be handled now: one at a time, and none before what comes earlier."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest

from fairlead_workload.queues.base import Delivery, Message
from fairlead_workload.queues.gate import AWAY_SECONDS, SHORTEST_DELAY_SECONDS, Gate, GivenBack


def delivery(id_: str, *, redrives: int = 0) -> Delivery:
    """A delivery of a message whose key is the first character of its id."""
    return Delivery(Message(id_, id_[0], b""), None, None, 0.0, redrives)


def deliveries(*ids: str) -> list[Delivery]:
    return [delivery(id_) for id_ in ids]


def ids(found: Iterable[Delivery]) -> list[str]:
    return [one.message.id for one in found]


def back(found: Sequence[GivenBack]) -> dict[str, float]:
    return {one.delivery.message.id: round(one.delay_seconds, 6) for one in found}


@pytest.fixture(params=[True, False], ids=["remembers", "blocked by the queue"])
def gate(request: pytest.FixtureRequest) -> Gate:
    return Gate(remembers=request.param)


def test_one_delivery_of_each_key_is_handed_out(gate: Gate) -> None:
    assert gate.admit(deliveries("a1", "a2", "b1", "a3", "b2"), now=0) == []
    assert ids(gate.take(1)) == ["a1"]
    assert ids(gate.take(9)) == ["b1"]
    assert (gate.take(9), gate.held) == ([], 3)


def test_what_ended_lets_the_next_of_its_key_go(gate: Gate) -> None:
    gate.admit(deliveries("a1", "a2"), now=0)
    (first,) = gate.take(9)
    gate.admit(deliveries("a3"), now=1)
    assert gate.take(9) == []
    assert gate.ended(first, now=2) == []
    (second,) = gate.take(9)
    gate.ended(second, now=3)
    (third,) = gate.take(9)
    gate.ended(third, now=4)
    gate.admit(deliveries("a4"), now=5)
    assert ids([second, third, *gate.take(9)]) == ["a2", "a3", "a4"]
    assert gate.held == 0


def test_what_goes_back_takes_along_what_is_behind_it(gate: Gate) -> None:
    gate.admit(deliveries("a1", "a2", "a3", "b1"), now=0)
    first, _ = gate.take(9)
    assert back(gate.returned(first, delay_seconds=5, now=1)) == {"a2": 5, "a3": 5}
    assert (gate.take(9), gate.held) == ([], 0)
    gate.admit(deliveries("a1"), now=6)
    assert ids(gate.take(9)) == ["a1"]


def test_a_delivery_that_came_another_way_changes_nothing(gate: Gate) -> None:
    gate.admit(deliveries("a1", "a2"), now=0)
    assert gate.ended(delivery("a1"), now=0) == []
    assert gate.returned(delivery("a2"), delay_seconds=1, now=0) == []
    assert gate.ended(delivery("z"), now=0) == []
    assert (ids(gate.take(9)), gate.held) == (["a1"], 1)


# Where the queue does not block keys


def retried(*behind: str) -> Gate:
    """A gate whose message a1 went back at 0 for 5 seconds, with those behind it."""
    gate = Gate(remembers=True)
    gate.admit(deliveries("a1", *behind), now=0)
    (first,) = gate.take(9)
    gate.returned(first, delay_seconds=5, now=0)
    return gate


def test_nothing_is_handed_out_behind_a_message_that_is_away() -> None:
    gate = retried("a2")
    assert back(gate.admit(deliveries("a3", "b1"), now=1)) == {"a3": 4}
    assert back(gate.admit(deliveries("a2"), now=7)) == {"a2": SHORTEST_DELAY_SECONDS}
    assert ids(gate.take(9)) == ["b1"]


def test_what_went_back_keeps_its_place_in_whatever_order_it_returns() -> None:
    gate = retried("a2", "a3")
    gate.admit(deliveries("a1", "a3"), now=6)
    for expected in ("a1", "a3"):
        (one,) = gate.take(9)
        assert one.message.id == expected
        if expected == "a1":
            assert back(gate.ended(one, now=6)).keys() == {"a3"}, "it came before a2"
            assert gate.take(9) == []
            gate.admit(deliveries("a2"), now=7)
            (second,) = gate.take(9)
            gate.admit(deliveries("a3", "a4"), now=7)
            gate.ended(second, now=7)
    assert gate.held == 1


def test_a_redriven_message_is_another_one() -> None:
    gate = retried()
    assert back(gate.admit([delivery("a1", redrives=1)], now=6)).keys() == {"a1"}
    assert gate.take(9) == []


def test_a_message_delivered_twice_has_one_place() -> None:
    gate = Gate(remembers=True)
    gate.admit(deliveries("a1", "a2", "a1"), now=0)
    (first,) = gate.take(9)
    assert list(back(gate.returned(first, delay_seconds=5, now=0))) == ["a2", "a1"]
    for expected in ("a1", "a2", "a3"):
        gate.admit(deliveries(expected), now=6)
        (one,) = gate.take(9)
        assert one.message.id == expected
        gate.ended(one, now=6)


def test_a_message_that_stays_away_is_given_up() -> None:
    gate = retried("a2")
    late = 5 + AWAY_SECONDS + 1
    assert gate.admit(deliveries("a3"), now=late) == []
    assert ids(gate.take(9)) == ["a3"]


def test_keys_of_which_nothing_comes_back_are_forgotten() -> None:
    gate = retried()
    gate.admit(deliveries("b1"), now=5 + AWAY_SECONDS + 1)
    gate.admit(deliveries("a1", "a2"), now=5 + AWAY_SECONDS + 1)
    assert (ids(gate.take(9)), gate.held) == (["b1", "a1"], 1)


# Any course of events


@dataclass
class Course:
    """What a queue holds of some keys, and what was handed out of it."""

    random: Random
    blocks: bool
    waiting: dict[str, list[tuple[str, float]]]  # by key, in order: what can be delivered, and from when
    now: float = 0.0
    out: list[Delivery] = field(default_factory=list)
    leased: set[str] = field(default_factory=set)
    ended: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate = Gate(remembers=not self.blocks, away_seconds=1e9)

    def deliver(self) -> None:
        """A receive that gets a run of each key, or less."""
        found: list[str] = []
        for key, line in self.waiting.items():
            if self.blocks and any(id_[0] == key for id_ in self.leased):
                continue
            due = [id_ for id_, at in line if at <= self.now]
            if self.blocks and (not due or due[0] != line[0][0]):
                continue
            found += due[: self.random.randint(0, 3)]
        for id_ in found:
            self.waiting[id_[0]] = [one for one in self.waiting[id_[0]] if one[0] != id_]
            self.leased.add(id_)
        self.give_back(self.gate.admit(deliveries(*found), now=self.now))

    def hand_out(self) -> None:
        self.out += self.gate.take(self.random.randint(1, 3))
        keys = [one.message.key for one in self.out]
        assert len(keys) == len(set(keys)), "two of one key are handled at once"

    def end(self) -> None:
        if self.out:
            one = self.out.pop(self.random.randrange(len(self.out)))
            if self.random.random() < 0.4:
                delay = self.random.choice([0.0, 3.0])
                self.give_back([GivenBack(one, delay), *self.gate.returned(one, delay_seconds=delay, now=self.now)])
            else:
                self.leased.remove(one.message.id)
                self.ended.append(one.message.id)
                self.give_back(self.gate.ended(one, now=self.now))

    def give_back(self, found: Sequence[GivenBack]) -> None:
        for one in found:
            id_ = one.delivery.message.id
            self.leased.remove(id_)
            line = self.waiting[id_[0]]
            line.append((id_, self.now + one.delay_seconds))
            line.sort()

    def pass_time(self) -> None:
        self.now += self.random.choice([0.5, 2.0])


@pytest.mark.parametrize("blocks", [True, False], ids=["blocked by the queue", "remembers"])
@pytest.mark.parametrize("seed", range(50))
def test_every_message_is_handed_out_once_in_the_order_of_its_key(seed: int, blocks: bool) -> None:
    random = Random(seed)
    every = {key: [f"{key}{number}" for number in range(6)] for key in "abc"}
    course = Course(random, blocks, {key: [(id_, 0.0) for id_ in line] for key, line in every.items()})
    for _ in range(5000):
        random.choice([course.deliver, course.hand_out, course.end, course.pass_time])()
        if len(course.ended) == 18:
            break
    assert {key: [id_ for id_ in course.ended if id_[0] == key] for key in every} == every
    assert (course.gate.held, course.gate.ready) == (0, 0)
