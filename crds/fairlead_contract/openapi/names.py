"""Names of components: each resource has its own, and no two are alike to a program that makes clients.

What stands first in the resource keeps its name, so that adding a resource renames nothing; what comes later gets a
number. Names that differ only in case are alike: clients have a file or a module for each.
"""

import re
from collections.abc import Iterable

SHARED = ("Operation", "Problem")
FORMS = ("", "Create", "Replace", "Patch", "Page")
"""The components of a resource are its name with each of these behind it."""


class Names:
    """The names of one document. They are taken in the order of the calls."""

    def __init__(self) -> None:
        self._taken = {name.lower() for name in SHARED}

    def take(self, wanted: str, forms: Iterable[str] = ("",)) -> str:
        """`wanted`, or with a number behind it, so that it is free with each of `forms` behind it."""
        name, count = wanted, 1
        while any((name + form).lower() in self._taken for form in forms):
            count += 1
            name = f"{wanted}{count}"
        self._taken |= {(name + form).lower() for form in forms}
        return name


def resource_names(names: Names, resources: Iterable[str]) -> dict[str, str]:
    """The component of each resource: `order-items` is `OrderItems`."""
    return {resource: names.take(capitalized(resource), FORMS) for resource in resources}


def capitalized(name: str) -> str:
    """`name` as one word, each of its parts with a capital in front."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))
