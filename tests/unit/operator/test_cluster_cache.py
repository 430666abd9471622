"""What is known of the children of one ApiService."""

from dataclasses import replace

import pytest

from fairlead_operator.cache.cache import MANY_JOBS, MANY_ROLLOUTS, ClusterCache
from fairlead_operator.cache.records import CachedChild
from fairlead_operator.cache.workload_state import JobEnd, Rollout
from fairlead_operator.kube import kinds
from fairlead_operator.manifests import Ref

A, B = ("shop", "a"), ("shop", "b")


def child(owner: tuple[str, str], version: int) -> CachedChild:
    return CachedChild(f"{owner[1]}-uid", version, owner, owner[1], deleting=False, digest=str(version))


def test_children_are_found_of_every_kind_and_after_each_change() -> None:
    cache = ClusterCache()
    assert cache.of(A) == {}
    cache.children[kinds.SERVICE].put(("shop", "a-api"), child(A, 1))
    cache.children[kinds.DEPLOYMENT].put(("shop", "a-api"), child(A, 2))
    service, deployment = Ref("", "Service", "a-api"), Ref("apps", "Deployment", "a-api")
    before = cache.of(A)
    assert set(before) == {service, deployment}
    assert cache.of(A) is before
    assert cache.of(B) == {}
    cache.children[kinds.SERVICE].put(("shop", "a-api"), child(A, 3))
    assert (before[service].version, cache.of(A)[service].version) == (1, 3)
    cache.children[kinds.DEPLOYMENT].remove(("shop", "a-api"), version=4)
    assert set(cache.of(A)) == {service}


def test_a_child_is_found_by_its_owner_also_after_that_changed() -> None:
    cache, silently = ClusterCache(), Ref("", "Service", "x")
    cache.children[kinds.SERVICE].put(("shop", "x"), child(A, 1), silent=True)
    cache.children[kinds.SERVICE].put(("shop", "x"), child(B, 2), silent=True)
    assert (cache.of(A), set(cache.of(B))) == ({}, {silently})
    cache.children[kinds.SERVICE].clear()
    assert cache.of(B) == {}


@pytest.mark.parametrize(
    ("rolling", "failed", "many"),
    [
        (0, 0, False),
        (MANY_ROLLOUTS - 1, 0, False),
        (MANY_ROLLOUTS, 0, True),
        (0, MANY_ROLLOUTS, False),
        (MANY_ROLLOUTS - 1, MANY_ROLLOUTS, False),
    ],
)
def test_many_roll_out_when_many_go_on(rolling: int, failed: int, many: bool) -> None:
    cache = ClusterCache()
    for number in range(rolling + failed):
        said = "" if number < rolling else "out of time"
        facts = Rollout("api", complete=False, failed=said, available=False, replicas="0/1", refused="")
        record = replace(child(("shop", f"s{number}"), 1), facts=facts)
        cache.children[kinds.DEPLOYMENT].put(("shop", f"s{number}-api"), record)
    assert cache.is_rolling_out_many() is many


@pytest.mark.parametrize(
    ("running", "ended", "many"),
    [(0, 0, False), (MANY_JOBS - 1, MANY_JOBS, False), (MANY_JOBS, 0, True)],
)
def test_many_jobs_run_when_many_have_not_ended(running: int, ended: int, many: bool) -> None:
    cache = ClusterCache()
    for number in range(running + ended):
        facts = JobEnd("Running" if number < running else "Succeeded")
        name = ("shop", f"s{number}")
        cache.children[kinds.JOB].put((*name[:1], f"{name[1]}-provision"), replace(child(name, 1), facts=facts))
    assert cache.is_running_many_jobs() is many
    assert cache.unfinished() == []
