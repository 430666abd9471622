"""A full disk is reported as such, once, until there is room."""

import logging
import sqlite3
from pathlib import Path

import pytest

from fairlead_workload.errors import DiskFull, Unavailable
from fairlead_workload.sqlite import faults
from fairlead_workload.sqlite.disk import ROOM_BYTES, Disk


class Room(Disk):
    """A disk with as much room as the test says."""

    room = 0

    @property
    def free_bytes(self) -> int:
        return self.room


@pytest.fixture
def disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Room:
    caplog.set_level(logging.INFO)
    return Room(tmp_path)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


def test_a_disk_that_nothing_found_full_is_not(disk: Room, caplog: pytest.LogCaptureFixture) -> None:
    disk.check("datastore")
    assert (disk.full, logged(caplog)) == (False, [])


def test_it_is_full_until_there_is_room_and_logged_once_a_time(disk: Room, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        disk.note()
        with pytest.raises(DiskFull, match="is full: 0 bytes are free") as caught:
            disk.check("queue")
        assert caught.value.dependency == "queue"
    disk.room = ROOM_BYTES - 1
    with pytest.raises(DiskFull):
        disk.check("queue")
    assert (disk.full, logged(caplog)) == (True, ["disk full"])
    disk.room = ROOM_BYTES
    disk.check("queue")
    assert (disk.full, logged(caplog)) == (False, ["disk full", "disk has room again"])
    disk.note()
    assert logged(caplog) == ["disk full", "disk has room again", "disk full"]


def test_the_room_is_that_of_the_directory(tmp_path: Path) -> None:
    assert Disk(tmp_path).free_bytes > 0
    assert Disk(tmp_path / "gone").free_bytes == 0


@pytest.mark.parametrize(("pages", "kind"), [(8, DiskFull), (None, Unavailable)], ids=["full", "locked"])
def test_sqlite_distinguishes_a_full_disk_from_other_outages(tmp_path: Path, pages: int | None, kind: type) -> None:
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None, timeout=0)
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None, timeout=0)
    connection.execute("CREATE TABLE t (a)")
    if pages is None:
        other.execute("BEGIN IMMEDIATE")
    else:
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute("INSERT INTO t VALUES (zeroblob(1000000))")
    assert type(faults.converted(caught.value, "datastore")) is kind
    connection.close()
    other.close()
