"""Credentials are read from mounted files, all of one state of the Secret."""

from pathlib import Path

import pytest

from fairlead_workload.credentials import Credentials, from_folder
from fairlead_workload.errors import Unavailable


def mount(folder: Path, state: str, **files: str) -> None:
    """As Kubernetes does: a folder for each state, a link that is replaced, and links to the files behind it."""
    behind = folder / state
    behind.mkdir()
    for name, text in files.items():
        (behind / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    (folder / "..new").symlink_to(state)
    (folder / "..new").rename(folder / "..data")


def test_what_is_read_follows_the_secret(tmp_path: Path) -> None:
    mount(tmp_path, "one", username="u", password="p")
    read = from_folder(tmp_path, dependency="datastore")
    assert read() == Credentials("u", "p")
    mount(tmp_path, "two", username="v", password="q\n")
    assert read() == Credentials("v", "q")


def test_plain_files_do_too(tmp_path: Path) -> None:
    (tmp_path / "username").write_bytes(b"u\r\n")
    (tmp_path / "password").write_bytes(b" p \n\n")
    assert from_folder(tmp_path, dependency="datastore")() == Credentials("u", " p \n")


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    read = from_folder(tmp_path, dependency="datastore")
    (tmp_path / "username").write_text("u")
    for content in (None, b"\xff\xfe"):
        if content is not None:
            (tmp_path / "password").write_bytes(content)
        with pytest.raises(Unavailable, match="password"):
            read()


def test_a_password_is_in_no_representation() -> None:
    assert "secret" not in repr(Credentials("u", "secret"))
