"""The operator's settings, read once from environment variables.

Every variable is `FAIRLEAD_` and the field's name in capitals. A value that is out of its range is an error that names
the variable, and so is a variable that no part of the project reads: a misspelt name must not be ignored.
"""

import difflib
import math
import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from typing import Any

from fairlead_operator.plan import RUNBOOKS

PREFIX = "FAIRLEAD_"
# Others that may be around: of the workload and of our tests, and what Kubernetes sets for a Service named fairlead….
_FOREIGN = re.compile(
    r"FAIRLEAD_(TEST_\w+|CACHE|TERMINATION_LOG|(\w+_)?SERVICE_(HOST|PORT\w*)|(\w+_)?PORT_\d+_(TCP|UDP|SCTP)\w*)"
)
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def _image() -> str:
    """The workload image of this version, as `make images` names it."""
    return f"fairlead-workload:{version('fairlead')}"


def _within(default: float, low: float, high: float) -> Any:
    """A number from `low` to `high`."""
    return field(default=default, metadata={"range": (low, high)})


def _like(default: str, pattern: str, meaning: str) -> Any:
    """A text that fits a pattern."""
    return field(default=default, metadata={"pattern": (pattern, meaning)})


@dataclass(frozen=True)
class Settings:
    """All times are in seconds. An empty `namespace` means all of them; with a `class_file` no other class is read."""

    image: str = field(default_factory=_image, metadata={"pattern": (r"[!-~]+", "an image")})
    runbooks: str = _like(RUNBOOKS, r"https?://[^\s#]+", "the URL of a page")
    namespace: str = _like("", f"({_LABEL})?", "a namespace, or nothing")
    class_file: str = ""
    lease_namespace: str = _like("default", _LABEL, "a namespace")
    lease_name: str = _like("fairlead-operator", rf"{_LABEL}(\.{_LABEL})*", "the name of a Lease")
    lease_seconds: float = _within(15.0, 1, 600)
    lease_renew_seconds: float = _within(10.0, 0.5, 600)
    # With longer pauses the Lease would look silent: see `health`.
    lease_retry_seconds: float = _within(2.0, 0.1, 60)
    identity: str = field(default_factory=socket.gethostname, metadata={"pattern": (r".*\S.*", "a name")})
    workers: int = _within(16, 1, 256)
    requests_in_flight: int = _within(32, 1, 256)
    resync_seconds: float = _within(36_000.0, 10, 604_800)
    watch_seconds: float = _within(6.0, 1, 30)
    discovery_seconds: float = _within(30.0, 1, 3600)
    port: int = _within(8081, 1, 65_535)
    # The kubelet and Prometheus come from outside the pod.
    host: str = _like("0.0.0.0", r"[!-~]+", "an address to listen on")  # noqa: S104
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """The settings; ValueError names every variable that cannot be used, and what to set."""
        values: dict[str, Any] = {}
        faults = list(_unknown(environment))
        for each in fields(cls):
            variable = _variable(each.name)
            if variable in environment:
                try:
                    values[each.name] = _read(variable, environment[variable], each.type, each.metadata)
                except ValueError as error:
                    faults.append(str(error))
        settings = cls(**values)
        faults += [] if faults else _contradictions(settings)
        if faults:
            raise ValueError("; ".join(faults))
        return settings


def ranges() -> dict[str, tuple[float, float]]:
    """The least and the greatest value of every number, by the field's name."""
    return {each.name: each.metadata["range"] for each in fields(Settings) if "range" in each.metadata}


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _unknown(environment: Mapping[str, str]) -> Iterator[str]:
    known = [_variable(each.name) for each in fields(Settings)]
    for variable in sorted(environment):
        if variable.startswith(PREFIX) and variable not in known and not _FOREIGN.fullmatch(variable):
            similar = difflib.get_close_matches(variable, known, n=1, cutoff=0.8)
            remedy = f"did you mean {similar[0]}?" if similar else "remove it"
            yield f"{variable}: there is no such setting; {remedy}"


def _read(variable: str, text: str, kind: Any, metadata: Mapping[str, Any]) -> str | int | float:
    if kind is str:
        pattern, meaning = metadata.get("pattern", (r"(?s).*", ""))
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{variable}: {text!r} is not {meaning}; set one")
        return text
    number: int | float
    try:
        number = int(text) if kind is int else float(text)
    except ValueError:
        raise ValueError(f"{variable}: {text!r} is no {kind.__name__}; set a number") from None
    low, high = metadata["range"]
    if math.isnan(number) or not low <= number <= high:
        raise ValueError(f"{variable}: {text} is not within {low:g} and {high:.10g}; set a number that is")
    return number


def _contradictions(settings: Settings) -> list[str]:
    """Values that contradict each other: a leader has to renew, and to try again, well before its lease ends."""
    values = {_variable(name): value for name, value in vars(settings).items()}
    shorter = (
        ("FAIRLEAD_LEASE_RETRY_SECONDS", "FAIRLEAD_LEASE_RENEW_SECONDS"),
        ("FAIRLEAD_LEASE_RENEW_SECONDS", "FAIRLEAD_LEASE_SECONDS"),
    )
    return [
        f"{less}: {values[less]:g} has to be less than {more}, which is {values[more]:g}"
        for less, more in shorter
        if values[less] >= values[more]
    ]
