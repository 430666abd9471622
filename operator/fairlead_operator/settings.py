"""What the operator is told by its environment, read once.

Every variable is `FAIRLEAD_` and the field's name in capitals; an unknown value is an error that names the variable.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.metadata import version


def _image() -> str:
    """The workload image of this version, as `make images` names it."""
    return f"fairlead-workload:{version('fairlead')}"


@dataclass(frozen=True)
class Settings:
    """All times are in seconds. An empty `namespace` means all of them; with a `class_file` no other class is read."""

    image: str = field(default_factory=_image)
    namespace: str = ""
    class_file: str = ""
    lease_namespace: str = "default"
    lease_name: str = "fairlead-operator"
    lease_seconds: float = 15.0
    lease_renew_seconds: float = 10.0
    lease_retry_seconds: float = 2.0
    identity: str = field(default_factory=socket.gethostname)
    workers: int = 16
    requests_in_flight: int = 32
    resync_seconds: float = 36_000.0
    watch_seconds: float = 6.0
    discovery_seconds: float = 30.0
    port: int = 8081
    host: str = "0.0.0.0"  # noqa: S104  # the kubelet and Prometheus come from outside the pod
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """The settings; ValueError names the variable that cannot be read."""
        given = {}
        for each in fields(cls):
            variable = f"FAIRLEAD_{each.name.upper()}"
            if variable in environment:
                given[each.name] = _read(variable, environment[variable], str(each.type))
        return cls(**given)  # type: ignore[arg-type]


def _read(variable: str, text: str, kind: str) -> str | int | float:
    readers: dict[str, type[int] | type[float]] = {"int": int, "float": float}
    for name, reader in readers.items():
        if kind == f"<class '{name}'>" or kind == name:
            try:
                return reader(text)
            except ValueError as error:
                raise ValueError(f"{variable}: {text!r} is no {name}; set a number") from error
    return text
