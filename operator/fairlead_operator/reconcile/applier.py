"""Apply children, and nothing else.

Nothing is sent for a child that already is what it is meant to be. An object that has no owner reference to the
resource is never touched: the API server itself refuses a create over it, and whose it is is read before anything else
is sent.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import itemgetter

from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import CachedChild, Name
from fairlead_operator.cache.workload_state import OF_KIND
from fairlead_operator.drift.desired import DesiredChild
from fairlead_operator.drift.fresh_read import confirm, confirm_create
from fairlead_operator.errors import (
    Forbidden,
    Invalid,
    NotLeading,
    OperatorError,
    Outdated,
    Refused,
    Terminating,
)
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.kube.managed_fields import contains
from fairlead_operator.manifests import Manifest, Ref
from fairlead_operator.reasons import ConditionDetail, Reason

LOG = logging.getLogger(__name__)
# Of one resource. All at once would gain it little, and while many are made, an edit of another would wait for them.
AT_ONCE = 4
# How many refused children a status names: each with the server's own message.
NAMED = 5


class Outcome(Enum):
    """What became of one child that the API server did not refuse."""

    UNCHANGED = auto()
    WRITTEN = auto()
    WAITING = auto()
    UNOWNED = auto()


@dataclass
class Applied:
    """The outcome for many children: written, in need of a person, or to be tried again."""

    written: list[Ref] = field(default_factory=list)
    unowned: list[Ref] = field(default_factory=list)
    refused: dict[Ref, Invalid | Forbidden] = field(default_factory=dict)
    waiting: list[Ref] = field(default_factory=list)
    errors: list[OperatorError] = field(default_factory=list)

    def add(self, ref: Ref, outcome: Outcome | OperatorError) -> None:
        """Take in what became of one child."""
        if isinstance(outcome, Invalid | Forbidden):
            self.refused[ref] = outcome
        elif isinstance(outcome, OperatorError):
            self.errors.append(outcome)
        elif outcome is Outcome.WRITTEN:
            self.written.append(ref)
        elif outcome is Outcome.WAITING:
            self.waiting.append(ref)
        elif outcome is Outcome.UNOWNED:
            self.unowned.append(ref)

    @property
    def complete(self) -> bool:
        """Whether every child is now what it is meant to be."""
        return not (self.stalled or self.waiting or self.errors)

    @property
    def is_final(self) -> bool:
        """Whether a child is refused for what it is, so that only another ApiService, or another class, helps."""
        return any(isinstance(error, Invalid) for error in self.refused.values())

    @property
    def stalled(self) -> ConditionDetail | None:
        """What a person has to clear, all of one reason; the same text in whatever order the answers came."""
        if self.unowned:
            return conflict(self.unowned)
        if self.refused:
            refusals = "; ".join(
                f"{ref}: {error.message[:500]}"
                for ref, error in sorted(self.refused.items(), key=itemgetter(0))[:NAMED]
            )
            return ConditionDetail(Reason.REFUSED, f"the API server refuses {refusals}")
        return None

    def raise_error(self) -> None:
        """Raise what makes the pass fail, so that it is tried again."""
        if self.errors:
            raise self.errors[0]
        if self.refused:
            text = ", ".join(str(ref) for ref in sorted(self.refused))
            raise Refused(text, is_final=self.is_final)


def conflict(unowned: Iterable[Ref]) -> ConditionDetail:
    """Objects that are not ours have the names of ours."""
    text = ", ".join(str(ref) for ref in sorted(unowned))
    return ConditionDetail(
        Reason.CONFLICT, f"there already, and not this ApiService's: {text}; delete or rename them, or this ApiService"
    )


class Applier:
    """Writes for one resource at a time; the work queue sees to that."""

    def __init__(self, client: Client, cache: ClusterCache) -> None:
        self._client = client
        self._cache = cache
        self._settled: dict[Name, dict[Ref, tuple[str, str]]] = {}

    async def apply(
        self, owner: Name, uid: str, desired: Sequence[DesiredChild], *, applied: Applied, force: bool = False
    ) -> None:
        """Apply what differs, a few at a time and in this order; the outcome goes into `applied`. `force`: all."""
        live = self._cache.of(owner)
        changed = {each.ref for each in desired if force or self.differs(owner, each, live)}
        todo = [each for each in desired if each.ref in changed or not _is_steady(live[each.ref], uid)]
        if changed:
            is_new = changed.isdisjoint(live)
            await (confirm_create if is_new else confirm)(self._client, self._cache, owner)
        for first in range(0, len(todo), AT_ONCE):
            some = todo[first : first + AT_ONCE]
            tries = (self._try(owner, uid, each, live.get(each.ref), force=force) for each in some)
            for each, outcome in zip(some, await asyncio.gather(*tries, return_exceptions=True), strict=True):
                if isinstance(outcome, NotLeading | Outdated) or not isinstance(outcome, Outcome | OperatorError):
                    raise outcome
                applied.add(each.ref, outcome)

    def differs(self, owner: Name, desired: DesiredChild, live: Mapping[Ref, CachedChild]) -> bool:
        """Whether the child is absent or not what it is meant to be."""
        child = live.get(desired.ref)
        if child is None:
            return True
        settled = self._settled.get(owner, {}).get(desired.ref)
        return child.digest != desired.digest and settled != (desired.digest, child.digest)

    async def delete(self, owner: Name, ref: Ref, child: CachedChild) -> None:
        """Delete one object of ours."""
        await confirm(self._client, self._cache, owner)
        kind = kinds.find(ref.group, ref.kind)
        await self._client.delete(kind, namespace=owner[0], name=ref.name, uid=child.uid)
        self._settled.get(owner, {}).pop(ref, None)

    def forget(self, owner: Name) -> None:
        """The resource is gone."""
        self._settled.pop(owner, None)

    async def _try(
        self, owner: Name, uid: str, desired: DesiredChild, child: CachedChild | None, *, force: bool
    ) -> Outcome | OperatorError:
        """What became of one child. An error that concerns the whole pass is raised."""
        try:
            return await self._apply_one(owner, uid, desired, child, force=force)
        except (NotLeading, Outdated):
            raise
        except Terminating:
            return Outcome.WAITING
        except (Invalid, Forbidden) as error:
            return error
        except OperatorError as error:
            LOG.warning("a child could not be written", extra={"child": str(desired.ref), "error": str(error)})
            return error

    async def _apply_one(
        self, owner: Name, uid: str, desired: DesiredChild, child: CachedChild | None, *, force: bool
    ) -> Outcome:
        if child is None:
            manifest = desired.manifest
            live, is_new = await self._client.create_or_get(desired.kind, manifest)
            if live is None:
                return Outcome.WAITING
            if is_new:
                self._learn(owner, desired, manifest, live)
                return Outcome.WRITTEN
            # Its label may be gone, so that no watch shows it. What it holds is not what we applied just now.
            child = CachedChild.read(live, OF_KIND.get(desired.ref.kind))
        if child.owner_uid != uid:
            # The last ApiService of this name may be gone: then the garbage collector is about to delete its child.
            return Outcome.WAITING if child.owner_uid and child.owner == owner else Outcome.UNOWNED
        if child.deleting:
            return Outcome.WAITING
        if not force and not self.differs(owner, desired, {desired.ref: child}):
            return Outcome.UNCHANGED
        await confirm(self._client, self._cache, owner)
        manifest = desired.manifest
        self._learn(owner, desired, manifest, await self._client.apply_known(desired.kind, manifest, uid=child.uid))
        return Outcome.WRITTEN

    def _learn(self, owner: Name, desired: DesiredChild, manifest: Manifest, answer: Manifest) -> None:
        """Store the server's answer. What it made of the intent is what drift is measured against.

        Mostly it made just that of it, and to see so costs less than a digest.
        """
        digest = desired.digest if contains(answer, manifest) else ""
        ref, child = desired.ref, CachedChild.read(answer, OF_KIND.get(desired.kind.name), digest=digest)
        self._cache.children[desired.kind].put((owner[0], ref.name), child, silent=True)
        if child.digest and child.digest != desired.digest:
            LOG.debug("the server changed what was applied", extra={"child": str(ref)})
            self._settled.setdefault(owner, {})[ref] = (desired.digest, child.digest)


def _is_steady(child: CachedChild, uid: str) -> bool:
    """Whether it belongs to the ApiService of that uid, and stays."""
    return child.owner_uid == uid and not child.deleting
