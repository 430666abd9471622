"""JSON logs, one object a line; every line of a pass carries the resource's name."""

import datetime
import logging
import sys
from contextvars import ContextVar

import orjson

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
RESOURCE: ContextVar[str] = ContextVar("resource", default="")
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `logger`, `message`, `resource`, and whatever came as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if resource := RESOURCE.get():
            line["resource"] = resource
        line |= {key: value for key, value in vars(record).items() if key not in _KNOWN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure(level: str) -> None:
    """Log to standard error from now on. ValueError when there is no such level."""
    if level not in LEVELS:
        raise ValueError(f"FAIRLEAD_LOG_LEVEL: {level!r} is no level; set DEBUG, INFO, WARNING or ERROR")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
