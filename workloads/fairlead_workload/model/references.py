"""References of a document to documents of other resources, and the problem when one is missing. Pure."""

from collections.abc import Iterable

from fairlead_workload.errors import Problem
from fairlead_workload.model import problems
from fairlead_workload.model.problems import FieldError
from fairlead_workload.model.resource import Resource, pointer
from fairlead_workload.stores.base import Document, Key


def required(resource: Resource, document: Document | None) -> tuple[tuple[str, Key], ...]:
    """The documents (resource, key) that `document` refers to, in the order of the resource's references."""
    if document is None:
        return ()
    return tuple(
        (reference.resource, (document[reference.field],))
        for reference in resource.spec.references
        if document.get(reference.field) is not None
    )


def missing(resource: Resource, document: Document | None, position: int) -> Problem:
    """The problem when the document at `position` of `required` is absent."""
    present = [ref.field for ref in resource.spec.references if document and document.get(ref.field) is not None]
    return not_found([present[position] if position < len(present) else ""])


def not_found(fields: Iterable[str]) -> Problem:
    """The problem when no document is where these properties refer to."""
    errors: tuple[FieldError, ...] = tuple(
        {"pointer": pointer([field]), "detail": "there is no such document"} for field in fields
    )
    return problems.reference_not_found(errors)
