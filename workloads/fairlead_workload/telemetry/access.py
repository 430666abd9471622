"""The access log: one line per request, as JSON or for a person's eyes, written in batches.

A line never holds a query, a header value or a body. Lines wait in a bounded buffer for a few milliseconds, so that a
burst is one write; what the process has acknowledged may be logged slightly later.
"""

import asyncio
import atexit
import time
from collections.abc import Callable
from typing import Literal

import msgspec

FLUSH_SECONDS = 0.05
MAX_BUFFER_BYTES = 64 * 1024
MAX_PATH_LENGTH = 2048

Form = Literal["json", "console"]


class AccessLine(msgspec.Struct, omit_defaults=True, gc=False):
    """One request. `path` is as it came, percent-encoded, without its query; `bytes` is the size of the body sent."""

    time: str
    level: str
    event: str = msgspec.field(name="message")
    request_id: str = ""
    trace_id: str = ""
    method: str = ""
    path: str = ""
    route: str = ""
    status: int = -1
    duration_ms: float = -1.0
    bytes: int = -1
    principal: str = ""


class AccessLog:
    """Writes lines through `write`, at once when the buffer is full, at the latest `FLUSH_SECONDS` after the first."""

    def __init__(
        self, write: Callable[[bytes], object], *, form: Form = "json", clock: Callable[[], float] = time.time
    ) -> None:
        self._write = write
        self._clock = clock
        self._append = self._append_json if form == "json" else self._append_console
        self._encoder = msgspec.json.Encoder()
        self._buffer = bytearray()
        self._scheduled = False
        self._milliseconds = -1
        self._rendered = ""
        atexit.register(self.flush)

    def add(
        self,
        method: str,
        path: str,
        route: str,
        status: int,
        duration_seconds: float,
        size: int,
        request_id: str,
        trace_id: str,
        principal: str,
    ) -> None:
        """Add the line of one request. Called on the event loop."""
        level = "info" if status < 500 else "error"
        duration_ms = int(duration_seconds * 1_000_000) / 1000  # a tenth of the time of round()
        line = AccessLine(
            self._time(),
            level,
            "request",
            request_id,
            trace_id,
            method,
            path if len(path) <= MAX_PATH_LENGTH else path[:MAX_PATH_LENGTH],
            route,
            status,
            duration_ms,
            size,
            principal,
        )
        self._append(line)
        if len(self._buffer) >= MAX_BUFFER_BYTES:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_scheduled)

    def flush(self) -> None:
        """Write what waits."""
        if self._buffer:
            lines = bytes(self._buffer)
            self._buffer.clear()
            self._write(lines)

    def close(self) -> None:
        """Write what waits, and forget the process's exit."""
        self.flush()
        atexit.unregister(self.flush)

    def _flush_scheduled(self) -> None:
        self._scheduled = False
        self.flush()

    def _time(self) -> str:
        milliseconds = int(self._clock() * 1000)
        if milliseconds != self._milliseconds:  # busy servers answer many requests in one
            self._milliseconds = milliseconds
            seconds, rest = divmod(milliseconds, 1000)
            self._rendered = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03}Z"
        return self._rendered

    def _append_json(self, line: AccessLine) -> None:
        self._encoder.encode_into(line, self._buffer, -1)
        self._buffer += b"\n"

    def _append_console(self, line: AccessLine) -> None:
        text = f"{line.time[11:23]} {line.method[:16]:<8}{line.status} {line.duration_ms:>9.3f} ms {line.bytes:>7} B  "
        text += f"{line.path}  {line.request_id}\n"
        # Escaped, so that a URL cannot write control characters to a terminal.
        self._buffer += text[:-1].encode("unicode_escape") + b"\n"
