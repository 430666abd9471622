"""Everything the operator knows of the cluster: one store per kind."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from fairlead_operator import kinds
from fairlead_operator.cluster.store import Child, Name, Store, Whole
from fairlead_operator.facts import JobEnd, Rollout
from fairlead_operator.inventory import Ref
from fairlead_operator.kinds import Kind

MANY_ROLLOUTS = 20
MANY_JOBS = 20


def child_stores(changed: Callable[[Name, Child | None, Child | None], None] | None = None) -> dict[Kind, Store[Child]]:
    """A store for each kind of child; Deployments whose newest pods have not replaced all others are marked.

    So are Jobs that run.
    """
    return {kind: Store(changed, marks=_is_unfinished) for kind in kinds.CHILDREN}


def _is_unfinished(child: Child) -> bool:
    if isinstance(child.facts, JobEnd):
        return child.facts.state == "Running"
    return isinstance(child.facts, Rollout) and not child.facts.complete


@dataclass(frozen=True)
class World:
    """Stores that informers and our own writes keep up to date."""

    services: Store[Whole] = field(default_factory=Store[Whole])
    classes: Store[Whole] = field(default_factory=Store[Whole])
    children: dict[Kind, Store[Child]] = field(default_factory=child_stores)
    _last: dict[Name, tuple[int, dict[Ref, Child]]] = field(default_factory=dict, init=False, repr=False)

    def of(self, owner: Name) -> dict[Ref, Child]:
        """Every object that carries the label of one ApiService, ours or not; not to be changed.

        It is asked for again and again in one pass, so the last answer is kept until something changes.
        """
        changes = sum(store.changes for store in self.children.values())
        if self._last.get(owner, (-1, {}))[0] != changes:
            self._last.clear()
            self._last[owner] = changes, self._find(owner)
        return self._last[owner][1]

    def _find(self, owner: Name) -> dict[Ref, Child]:
        return {
            Ref(kind.group, kind.name, name[1]): child
            for kind, store in self.children.items()
            for name, child in store.of_owner(owner).items()
        }

    def learn(self, answer: dict[str, Any]) -> Whole:
        """Take in, as a record, what the server answered to a write of an ApiService.

        It may be the first to tell of an edit: whoever waits for those has to know.
        """
        record = Whole.read(answer)
        known = self.services.get(record.owner)
        self.services.put(record.owner, record, silent=known is None or known.asked == record.asked)
        return record

    def is_rolling_out_many(self) -> bool:
        """Whether so many Deployments roll out that each of them is slow. One that is out of time does not count."""
        unfinished = self.children[kinds.DEPLOYMENT].marked.values()
        return len(list(islice((each for each in unfinished if not each.facts.failed), MANY_ROLLOUTS))) == MANY_ROLLOUTS

    def is_running_many_jobs(self) -> bool:
        """Whether so many Jobs run that each of them may be slow."""
        return len(self.children[kinds.JOB].marked) >= MANY_JOBS

    def unfinished(self) -> list[Child]:
        """Deployments that roll out; it costs as much as there are of these."""
        return list(self.children[kinds.DEPLOYMENT].marked.values())
