"""Logs of the process: one stream for our own modules and for libraries, as JSON lines or for a person's eyes.

Members have the names of the access log's, and libraries log warnings only. Everything goes through the standard
library: modules log a constant message, and its fields as `extra`. A logging framework on top of it would cost a
quarter of a second at start.
"""

import json
import logging
import os
import sys
import time
import traceback
from typing import Any, BinaryIO, Literal

Form = Literal["json", "console"]

# Libraries that log at INFO what we log ourselves, or what a client did.
_LOUD = {
    "asyncio": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "uvicorn": logging.ERROR,
    "uvicorn.error": logging.ERROR,
    "_granian": logging.ERROR,
}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_COLOURS = {"DEBUG": "\x1b[2m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[1;31m"}
_SECRET = frozenset(("authorization", "password", "secret", "token", "api_key", "credentials", "cookie"))
REDACTED = "[redacted]"


def configure(
    form: Form, *, service: str = "", namespace: str = "", level: int = logging.INFO, stream: BinaryIO | None = None
) -> None:
    """Send every log record of the process to `stream` (default: standard output). Call it before anything logs."""
    stream = stream or sys.stdout.buffer
    formatter = JsonFormatter(service, namespace) if form == "json" else ConsoleFormatter(colour=_wants_colour(stream))
    handler = _BytesHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for other in root.handlers[:]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name, least in _LOUD.items():
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(level, least))


def _wants_colour(stream: BinaryIO) -> bool:
    """On a terminal, unless the person said otherwise (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


class _BytesHandler(logging.Handler):
    """Writes whole lines; EPIPE does not fail a request."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # A lone surrogate becomes its escape, which JSON has too.
            self._stream.write(self.format(record).encode("utf-8", "backslashreplace") + b"\n")
            self._stream.flush()
        except OSError:
            return
        except Exception:  # noqa: BLE001 - logging must not break the code that logs
            self.handleError(record)


def _extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave as `extra`; values under a secret's name are not shown."""
    return {
        name: REDACTED if name.lower() in _SECRET else value
        for name, value in vars(record).items()
        if name not in _STANDARD
    }


def _trace(record: logging.LogRecord) -> str:
    if record.exc_info and record.exc_info[0] is not None:
        return "".join(traceback.format_exception(*record.exc_info)).rstrip()
    return ""


def _time(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z"


class JsonFormatter(logging.Formatter):
    """One JSON object: time, level, message, logger, service, namespace, the facts, and an exception's trace."""

    def __init__(self, service: str, namespace: str) -> None:
        super().__init__()
        self._bound = {name: value for name, value in (("service", service), ("namespace", namespace)) if value}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
        }
        line |= self._bound
        line |= {name: value for name, value in _extra_fields(record).items() if name not in line}
        if trace := _trace(record):
            line["exception"] = trace
        return json.dumps(line, default=str, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """`09:05:00.123 warning  message  name=value`, a trace on the lines after it. Control characters are escaped."""

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f"  {name}={_plain(str(value))}" for name, value in _extra_fields(record).items())
        level = f"{record.levelname.lower():<8}"
        if self._colour and record.levelname in _COLOURS:
            level = f"{_COLOURS[record.levelname]}{level}\x1b[0m"
        line = f"{_time(record)[11:23]} {level} {_plain(record.getMessage())}{facts}"
        trace = _trace(record)
        return f"{line}\n{trace}" if trace else line


def _plain(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
