"""What is known of the children of one ApiService."""

from fairlead_operator import kinds
from fairlead_operator.cluster.store import Child
from fairlead_operator.cluster.world import World
from fairlead_operator.inventory import Ref

A, B = ("shop", "a"), ("shop", "b")


def child(owner: tuple[str, str], version: int) -> Child:
    return Child(f"{owner[1]}-uid", version, owner, owner[1], deleting=False, digest=str(version))


def test_children_are_found_of_every_kind_and_after_each_change() -> None:
    world = World()
    assert world.of(A) == {}
    world.children[kinds.SERVICE].put(("shop", "a-api"), child(A, 1))
    world.children[kinds.DEPLOYMENT].put(("shop", "a-api"), child(A, 2))
    service, deployment = Ref("", "Service", "a-api"), Ref("apps", "Deployment", "a-api")
    before = world.of(A)
    assert set(before) == {service, deployment}
    assert world.of(A) is before
    assert world.of(B) == {}
    world.children[kinds.SERVICE].put(("shop", "a-api"), child(A, 3))
    assert (before[service].version, world.of(A)[service].version) == (1, 3)
    world.children[kinds.DEPLOYMENT].remove(("shop", "a-api"), version=4)
    assert set(world.of(A)) == {service}
