"""What is known of one kind: a small record per object, found by name and by the ApiService it belongs to.

Records arrive from lists, from watches and from the answers to our own writes, in any order and again and again; of two
records of one object the one with the higher resource version is valid. The resource version at which an object was
deleted is kept for a while (a tombstone), so that a late event does not bring it back. A record that only a list has
shown is unconfirmed: a list may be of the past.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from fairlead_operator.cache.records import Name


class Record(Protocol):
    """What the store itself needs of a record."""

    @property
    def uid(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def owner(self) -> Name: ...


R = TypeVar("R", bound=Record)


class Store(Generic[R]):
    """Records of one kind. `changed` is called with the record before and after each change; None is for absent.

    `moved` is called too, also for silent changes. `marked` holds the records that `marks` is true of, so that none has
    to be searched for.
    """

    def __init__(
        self,
        changed: Callable[[Name, R | None, R | None], None] | None = None,
        *,
        marks: Callable[[R], bool] | None = None,
        moved: Callable[[Name, R | None, R | None], None] | None = None,
    ) -> None:
        self.marked: dict[Name, R] = {}
        self._marks = marks
        self._moved = moved
        self._records: dict[Name, R] = {}
        self._deleted_at: dict[Name, int] = {}
        self._unconfirmed: set[Name] = set()
        self._changed = changed

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Name]:
        return iter(list(self._records))

    def get(self, name: Name) -> R | None:
        """The record of that namespace and name."""
        return self._records.get(name)

    def values(self) -> list[R]:
        """Every record."""
        return list(self._records.values())

    def put(self, name: Name, record: R, *, silent: bool = False) -> None:
        """Store a record, unless a newer one is known. `silent`: do not call `changed`, as for our own writes."""
        known = self._records.get(name)
        if known is not None and known.version == record.version:
            self._unconfirmed.discard(name)
        if not self.knows(name, version=record.version):
            self._set(name, known, record, silent=silent)

    def knows(self, name: Name, *, version: int) -> bool:
        """Whether an object of that version is no news, or has gone since."""
        known = self._records.get(name)
        return (known is not None and known.version >= version) or self._deleted_at.get(name, -1) >= version

    def deleted_at(self, name: Name) -> int:
        """The version at which an object of that name went last, as far as that is kept; 0 when it is not."""
        return self._deleted_at.get(name, 0)

    def is_unconfirmed(self, name: Name) -> bool:
        """Whether neither a watch nor a read of it alone has shown it since it was listed or marked."""
        return name in self._unconfirmed

    def mark_unconfirmed(self, name: Name) -> None:
        """Treat its record like one from a list: it may have been written since, and the answer was lost."""
        if name in self._records:
            self._unconfirmed.add(name)

    def remove(self, name: Name, *, version: int) -> None:
        """Forget an object that went at this version, unless one of the same name came after it."""
        known = self._records.get(name)
        if known is not None and known.version > version:
            return
        self._deleted_at[name] = max(version, self._deleted_at.get(name, version))
        if known is not None:
            self._set(name, known, None)

    def forget_deleted(self, *, before: int) -> None:
        """No event of an earlier version than this will come."""
        if self._deleted_at:
            self._deleted_at = {name: version for name, version in self._deleted_at.items() if version >= before}

    def clear(self) -> None:
        """The server has nothing of this kind, and what it may have later is none of these."""
        for name, known in list(self._records.items()):
            self._set(name, known, None)
        self._deleted_at.clear()

    def replace(self, records: Iterable[tuple[Name, R]], *, version: int) -> None:
        """Store a whole list; what it lacks is gone, unless it was made after the list."""
        listed = dict(records)
        for name, known in list(self._records.items()):
            if name not in listed and known.version <= version:
                self.remove(name, version=version)
        for name, record in listed.items():
            if not self.knows(name, version=record.version):
                self.put(name, record)
                self._unconfirmed.add(name)

    def _set(self, name: Name, before: R | None, after: R | None, *, silent: bool = False) -> None:
        if before is not None:
            del self._records[name]
            self._unconfirmed.discard(name)
            self.marked.pop(name, None)
        if after is not None:
            self._records[name] = after
            if self._marks is not None and self._marks(after):
                self.marked[name] = after
        if self._moved is not None:
            self._moved(name, before, after)
        if self._changed is not None and not silent:
            self._changed(name, before, after)
