"""Everything the operator knows of the cluster: one store per kind."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from fairlead_operator.cache.records import CachedChild, CachedResource, Name
from fairlead_operator.cache.store import Store
from fairlead_operator.cache.workload_state import JobEnd, Rollout
from fairlead_operator.kube import kinds
from fairlead_operator.kube.kinds import Kind
from fairlead_operator.manifests import Ref

MANY_ROLLOUTS = 20
MANY_JOBS = 20


class Children(dict[Kind, Store[CachedChild]]):
    """A store for each kind of child, and the families: all that carries the label of one ApiService.

    Deployments whose newest pods have not replaced all others are marked. So are Jobs that run.
    """

    def __init__(self, changed: Callable[[Name, CachedChild | None, CachedChild | None], None] | None = None) -> None:
        super().__init__(
            (kind, Store(changed, marks=_is_unfinished, moved=partial(self._moved, kind))) for kind in kinds.CHILDREN
        )
        self._families: dict[Name, dict[Ref, CachedChild]] = {}

    def of(self, owner: Name) -> dict[Ref, CachedChild]:
        """One family. A returned dictionary never changes: after a change the family is another one."""
        return self._families.get(owner, {})

    def _moved(self, kind: Kind, name: Name, before: CachedChild | None, after: CachedChild | None) -> None:
        ref = Ref(kind.group, kind.name, name[1])
        if before is not None and (after is None or after.owner != before.owner):
            rest = {other: child for other, child in self._families.pop(before.owner).items() if other != ref}
            if rest:
                self._families[before.owner] = rest
        if after is not None:
            self._families[after.owner] = {**self.of(after.owner), ref: after}


def _is_unfinished(child: CachedChild) -> bool:
    if isinstance(child.facts, JobEnd):
        return child.facts.state == "Running"
    return isinstance(child.facts, Rollout) and not child.facts.complete


@dataclass(frozen=True)
class ClusterCache:
    """Stores that informers and our own writes keep up to date."""

    services: Store[CachedResource] = field(default_factory=Store[CachedResource])
    classes: Store[CachedResource] = field(default_factory=Store[CachedResource])
    children: Children = field(default_factory=Children)

    def of(self, owner: Name) -> dict[Ref, CachedChild]:
        """Every object that carries the label of one ApiService, ours or not, at this moment; not to be changed."""
        return self.children.of(owner)

    def learn(self, answer: dict[str, Any]) -> CachedResource:
        """Store the server's answer to a write of an ApiService as a record.

        The answer may be the first to show a user's edit; then the listener is called.
        """
        record = CachedResource.read(answer)
        known = self.services.get(record.owner)
        self.services.put(record.owner, record, silent=known is None or known.spec_digest == record.spec_digest)
        return record

    def is_rolling_out_many(self) -> bool:
        """Whether so many Deployments roll out that each of them is slow. One that is out of time does not count."""
        unfinished = self.children[kinds.DEPLOYMENT].marked.values()
        return len(list(islice((each for each in unfinished if not each.facts.failed), MANY_ROLLOUTS))) == MANY_ROLLOUTS

    def is_running_many_jobs(self) -> bool:
        """Whether so many Jobs run that each of them may be slow."""
        return len(self.children[kinds.JOB].marked) >= MANY_JOBS

    def unfinished(self) -> list[CachedChild]:
        """Deployments that roll out; it costs as much as there are of these."""
        return list(self.children[kinds.DEPLOYMENT].marked.values())
