"""Secrets of a binding: where their files are, and credentials that are read whenever a connection is made.

A Secret is mounted as a folder of files, so a rotated one needs no restart. Kubernetes replaces all files of a mount at
once, by a link named `..data`; they are read behind it, so that a user name never goes with the password of another.
In a pod a folder has the name of its role. On a laptop the folder of each Secret is an option of the command line, and
what has no folder can come from the environment.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fairlead_contract.names import SecretFolder
from fairlead_contract.spec.model import SecretName
from fairlead_workload.errors import Misconfigured, Unavailable

CREDENTIALS_UNREADABLE = "CredentialsUnreadable"
NO_AWS_IDENTITY = "NoAwsIdentity"
"""Reasons of what has no credentials."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and its password, which no representation shows."""

    username: str
    password: str = field(repr=False)


CredentialSource = Callable[[], Credentials]
"""Reads files or asks a provider of tokens; may block. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where the files of Secrets are: `find` gives the folder of a role and a Secret's name, if there is one.

    `environment` has what is used where there is none.
    """

    find: Callable[[SecretFolder, str], Path | None]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def folder(self, role: SecretFolder, secret: SecretName, *, path: str) -> Path:
        """The folder of `secret`, which the field at `path` names. Raises `Misconfigured`."""
        folder = self.find(role, secret.name)
        if folder is None:
            raise _missing(secret, path)
        return folder

    def credentials(
        self, role: SecretFolder, secret: SecretName, *, path: str, variables: tuple[str, str], passwordless: bool
    ) -> CredentialSource:
        """User name and password of `secret`, else those of two variables. Raises `Misconfigured`."""
        folder = self.find(role, secret.name)
        if folder is not None:
            return from_folder(folder, dependency=path.partition(".")[0], passwordless=passwordless)
        username, password = (self.environment.get(name) for name in variables)
        if username is None or (password is None and not passwordless):
            raise _missing(secret, path, f", or set {' and '.join(variables)}")
        found = Credentials(username, password or "")
        return lambda: found


def mounted_secrets(root: Path) -> Secrets:
    """The Secrets of a pod: those of each role below `root`."""
    return Secrets(lambda role, _: root / role)


def local_secrets(folders: Mapping[str, Path], environment: Mapping[str, str]) -> Secrets:
    """The Secrets of a laptop: the folder of each by its name."""
    return Secrets(lambda _, name: folders.get(name), environment)


NO_SECRETS = local_secrets({}, {})


def _missing(secret: SecretName, path: str, otherwise: str = "") -> Misconfigured:
    message = f"the Secret {secret.name} has no folder on this machine"
    return Misconfigured(path, message, f"add --secret {secret.name}=FOLDER{otherwise}")


def from_folder(folder: Path, *, dependency: str, passwordless: bool = False) -> CredentialSource:
    """Credentials from the files `username` and `password` of `folder`; a line break at the end is no part of them.

    `passwordless`: the server knows the user by something else; there need be no password.
    """

    def read() -> Credentials:
        behind = state_of(folder)
        username = _read(behind, "username", dependency)
        return Credentials(username, "" if passwordless else _read(behind, "password", dependency))

    return read


def state_of(folder: Path) -> Path:
    """The folder that has one state of the Secret, whatever becomes of the link meanwhile."""
    target = (folder / "..data").resolve()
    return target if target.is_dir() else folder


def _read(folder: Path, name: str, dependency: str) -> str:
    try:
        return (folder / name).read_text().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        message = f"the credentials in {folder / name} cannot be read: {reason}; have the Secret have the key {name}"
        raise Unavailable(dependency, message, reason=CREDENTIALS_UNREADABLE) from None
