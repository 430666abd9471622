"""Credentials of a binding: read whenever a connection is made, so that a rotated Secret needs no restart.

A Secret is mounted as a folder of files. Kubernetes replaces all of them at once, by a link named `..data`; they are
read behind it, so that a user name never goes with the password of another.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fairlead_workload.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and its password, which no representation shows."""

    username: str
    password: str = field(repr=False)


CredentialSource = Callable[[], Credentials]


def from_folder(folder: Path, *, dependency: str) -> CredentialSource:
    """Credentials from the files `username` and `password` of `folder`; a line break at the end is no part of them."""

    def read() -> Credentials:
        mounted = (folder / "..data").resolve()  # one state of the Secret, whatever becomes of the link meanwhile
        behind = mounted if mounted.is_dir() else folder
        return Credentials(_read(behind, "username", dependency), _read(behind, "password", dependency))

    return read


def _read(folder: Path, name: str, dependency: str) -> str:
    try:
        return (folder / name).read_text().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Unavailable(dependency, f"the credentials in {folder / name} cannot be read: {reason}") from None
