"""What the API server itself wrote down of the requests that could change something, with its own clock.

One log for both sides: who is compared cannot be wrong about what it sent, or when it was answered.
"""

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "Metadata",
            "users": ["operator", "floor", "editor"],
            "verbs": ["create", "update", "patch", "delete", "deletecollection"],
        },
        {"level": "None"},
    ],
}


@dataclass(frozen=True, slots=True)
class Call:
    """One answered request. Times are seconds since the epoch."""

    user: str
    verb: str
    resource: str  # the plural, with its subresource after a slash
    namespace: str
    name: str
    code: int
    began_at: float
    ended_at: float

    @property
    def is_child_write(self) -> bool:
        """Whether it wrote something that an ApiService is to have."""
        return self.code < 300 and self.verb == "patch" and not self.resource.startswith("apisvcs")

    @property
    def is_status_write(self) -> bool:
        """Whether it wrote the status of an ApiService."""
        return self.resource == "apisvcs/status"

    @property
    def mutates(self) -> bool:
        """Whether it could change anything but a Lease."""
        return self.resource != "leases"


class Log:
    """The log as it grows. `read` gives what is new."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "audit.log"
        self._policy = folder / "audit-policy.json"
        self._policy.write_text(json.dumps(POLICY))
        self._offset = 0

    def flags(self) -> Mapping[str, object]:
        """The flags that the API server needs."""
        return {"audit-policy-file": self._policy, "audit-log-path": self._path}

    def read(self) -> list[Call]:
        """Requests answered since the last look, in the order of their answers."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as log:
            log.seek(self._offset)
            text = log.read()
        complete = text[: text.rfind(b"\n") + 1]
        self._offset += len(complete)
        return [_call(orjson.loads(line)) for line in complete.splitlines()]


def _call(event: dict[str, dict[str, str]]) -> Call:
    about = event["objectRef"]
    below = about.get("subresource", "")
    return Call(
        user=event["user"]["username"],
        verb=str(event["verb"]),
        resource=about["resource"] + (f"/{below}" if below else ""),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        code=int(event.get("responseStatus", {}).get("code", 0)),
        began_at=_seconds(str(event["requestReceivedTimestamp"])),
        ended_at=_seconds(str(event["stageTimestamp"])),
    )


def _seconds(stamp: str) -> float:
    return datetime.datetime.fromisoformat(stamp).timestamp()
