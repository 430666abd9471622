"""What a write does to the stored document: command + current record -> mutation, or a problem. Pure.

One function serves the API (Sync) and the worker (Accepted), so both answer alike.
"""

from enum import StrEnum

import msgspec

from fairlead_workload.model import problems
from fairlead_workload.model.merge import merge
from fairlead_workload.model.resource import Resource
from fairlead_workload.stores.base import Document, Expect, Key, Mutation, Record


class Action(StrEnum):
    CREATE = "create"
    REPLACE = "replace"
    PATCH = "patch"
    DELETE = "delete"


class Fact(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class Command(msgspec.Struct, frozen=True):
    """A client's write, checked as far as that needs no stored document.

    `body` is the client's document (create, replace), the merge patch (patch) or None (delete). `expect` is the
    client's condition: a version (If-Match), PRESENT (If-Match: *), ABSENT (If-None-Match: *) or ANY. `at` (unix
    seconds) becomes the timestamps. `version` fixes the version of the result (write-back).
    """

    resource: str
    action: Action
    key: Key
    body: Document | None
    expect: Expect | int
    at: float
    version: int | None = None


class Effect(msgspec.Struct, frozen=True):
    """The mutation that carries out a command, the document after it (None when deleted), and the fact that follows."""

    mutation: Mutation
    document: Document | None
    before: Document | None
    fact: Fact


def effect(resource: Resource, command: Command, current: Record | None) -> Effect:
    """Decide what `command` does to `current`. Raises Problem: 404, 409 exists, 412, 422.

    The mutation expects exactly the state that was decided on; on a Conflict read again and decide again. A command
    with a `version` was decided before (write-back): its body is the whole document and is taken as it is, and a
    VERSION conflict means that something newer is stored.
    """
    if command.version is not None:
        return _as_decided(command, current)
    if current is None and command.action in (Action.PATCH, Action.DELETE):
        raise problems.not_found()  # before its condition (RFC 9110, 13.2.1)
    _check_condition(command, current)
    if command.action is Action.CREATE:
        if current is not None:
            raise problems.already_exists()
        return _created(resource, command)
    if current is None:
        resource.check_created_key(command.key)
        resource.check_read_only(_body(command), {})
        if not resource.is_whole(_body(command), command.key):  # nothing is stored that could be kept
            resource.check(_body(command) | dict(zip(resource.key_names, command.key, strict=True)))
        return _created(resource, command)
    if command.action is Action.DELETE:
        mutation = Mutation(resource.name, command.key, None, current.version)
        return Effect(mutation, None, current.document, Fact.DELETED)
    if command.action is Action.REPLACE:
        resource.check_read_only(resource.normalise(_body(command)), current.document)
        document = resource.replaced(_body(command), command.key, current.document, at=command.at)
    else:
        document = _patched(resource, command, current)
    mutation = Mutation(resource.name, command.key, document, current.version)
    return Effect(mutation, document, current.document, Fact.UPDATED)


def _as_decided(command: Command, current: Record | None) -> Effect:
    deletes = command.action is Action.DELETE
    document = None if deletes else _body(command)
    mutation = Mutation(command.resource, command.key, document, Expect.ANY, command.version)
    before = None if current is None else current.document
    fact = Fact.DELETED if deletes else Fact.CREATED if before is None else Fact.UPDATED
    return Effect(mutation, document, before, fact)


def _check_condition(command: Command, current: Record | None) -> None:
    version = None if current is None else current.version
    if isinstance(command.expect, int):
        if version != command.expect:
            raise problems.precondition_failed(version)
    elif command.expect is Expect.PRESENT and current is None:
        raise problems.precondition_failed(None)
    elif command.expect is Expect.ABSENT and current is not None:
        raise problems.precondition_failed(version)


def _created(resource: Resource, command: Command) -> Effect:
    document = resource.created(_body(command), command.key, at=command.at)
    mutation = Mutation(resource.name, command.key, document, Expect.ABSENT)
    return Effect(mutation, document, None, Fact.CREATED)


def _patched(resource: Resource, command: Command, current: Record) -> Document:
    merged = resource.normalise(merge(current.document, _body(command)))
    for name in resource.read_only:  # a patch cannot remove what it cannot set
        if name in current.document and name not in merged:
            merged[name] = current.document[name]
    resource.check_key(merged, command.key)
    merged.update(zip(resource.key_names, command.key, strict=True))
    resource.check_read_only(merged, current.document)
    resource.check(merged)
    return resource.patched(merged, at=command.at)


def _body(command: Command) -> Document:
    if command.body is None:
        raise ValueError(f"a {command.action} command needs a body")
    return command.body
