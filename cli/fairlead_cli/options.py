"""Options that several commands share, and how their values read."""

import re
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from fairlead_contract.spec.model import DURATION_PATTERN, seconds

Files = Annotated[
    list[str],
    typer.Option("--file", "-f", metavar="FILE|FOLDER", help="What to read; - for standard input. May be repeated."),
]
Recursive = Annotated[bool, typer.Option("--recursive", "-R", help="Read the folders inside a folder too.")]
DataDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where documents and queued events are kept. Default: .fairlead/NAMESPACE/NAME."),
]


def read_instant(text: str | None, *, option: str) -> float | None:
    """Unix seconds of an RFC 3339 date-time, or of a duration such as `90m` before now."""
    if text is None:
        return None
    if re.fullmatch(DURATION_PATTERN, text):
        return time.time() - seconds(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        message = f"{text!r} is neither a date-time such as 2026-01-31T09:00:00Z nor a duration such as 90m"
        raise typer.BadParameter(message, param_hint=option)
    return instant.timestamp()
