"""Options that several commands share, and how their values read."""

import re
import time
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address
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

SecretFolders = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME=FOLDER",
        help="Folder with the files of a Secret, such as username and password. May be repeated.",
    ),
]
ConnectTo = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST=ADDRESS:PORT",
        help="Where a host is that a binding names, such as db.shop.svc=127.0.0.1:5432. May be repeated.",
    ),
]


_SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?=https?://[^\s/?#]+(/[^\s?#]*)?")
_ANY = re.compile(r"[^=]+=.+", re.DOTALL)


def read_services(pairs: list[str] | None) -> dict[str, str]:
    """The URL of each service by its name. Raises `BadParameter`."""
    return dict(_pairs(pairs, "--service", "payments=http://127.0.0.1:9000", "NAME=URL", fitting=_SERVICE))


def read_secrets(pairs: list[str] | None) -> dict[str, Path]:
    """The folder of each Secret by its name. Raises `BadParameter`."""
    folders: dict[str, Path] = {}
    for name, text in _pairs(pairs, "--secret", "shop-db=./secrets/shop-db", "NAME=FOLDER"):
        folder = Path(text)
        if not folder.is_dir():
            raise typer.BadParameter(f"{text} is not a folder", param_hint="--secret")
        folders[name] = folder
    return folders


def read_addresses(pairs: list[str] | None) -> dict[str, tuple[str, int]]:
    """Address and port of each host. Raises `BadParameter`."""
    addresses: dict[str, tuple[str, int]] = {}
    example, form = "db.shop.svc=127.0.0.1:5432", "HOST=ADDRESS:PORT"
    for host, text in _pairs(pairs, "--connect-to", example, form):
        address, _, port = text.rpartition(":")
        try:
            known = str(ip_address(address.removeprefix("[").removesuffix("]")))
        except ValueError:
            known = ""
        if not known or not port.isdecimal() or not 0 < int(port) < 65536:
            message = f"{text!r} is not an IP address and a port, such as 127.0.0.1:5432"
            raise typer.BadParameter(message, param_hint="--connect-to")
        addresses[host] = (known, int(port))
    return addresses


def _pairs(
    texts: list[str] | None, option: str, example: str, form: str, *, fitting: re.Pattern[str] = _ANY
) -> Iterator[tuple[str, str]]:
    names: set[str] = set()
    for text in texts or ():
        if fitting.fullmatch(text) is None:
            raise typer.BadParameter(f"{text!r} is not {form}, such as {example}", param_hint=option)
        name, _, value = text.partition("=")
        if name in names:
            raise typer.BadParameter(f"{name} is given twice", param_hint=option)
        names.add(name)
        yield name, value


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
