"""What one run says, as a line of JSON between the process that is measured and the one that compares."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """`seconds` runs until the last event is acknowledged; the processor's time is that of all threads.

    `retried` events lost their document to other writers too often, and were delivered again after a pause.
    """

    events: int
    seconds: float
    cpu_seconds: float
    retried: int = 0

    def line(self) -> str:
        """For standard output."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, output: str) -> "Result":
        """The result in what a process printed last."""
        return cls(**json.loads(output.splitlines()[-1]))
