"""Everything the operator knows of the cluster: one store per kind."""

from dataclasses import dataclass, field

from fairlead_operator import kinds
from fairlead_operator.cluster.store import Child, Name, Store, Whole
from fairlead_operator.inventory import Ref
from fairlead_operator.kinds import Kind


@dataclass(frozen=True)
class World:
    """Stores that informers and our own writes keep up to date."""

    services: Store[Whole] = field(default_factory=Store[Whole])
    classes: Store[Whole] = field(default_factory=Store[Whole])
    children: dict[Kind, Store[Child]] = field(
        default_factory=lambda: {kind: Store[Child]() for kind in kinds.CHILDREN}
    )

    def of(self, owner: Name) -> dict[Ref, Child]:
        """Every object that carries the label of one ApiService, ours or not."""
        return {
            Ref(kind.group, kind.name, name[1]): child
            for kind, store in self.children.items()
            for name, child in store.of_owner(owner).items()
        }
