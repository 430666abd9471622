"""The ratios on record, by the surroundings that they were counted in.

Decided here: an interpreter compiled otherwise, or another SQLite, runs other instructions for the same code, so a
record is exact only for the surroundings it names. Elsewhere the nearest version of Python stands in.
"""

import json
import platform
import re
import sqlite3
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("records.json")
Records = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Reference:
    """A record to compare with. `exact`: it was made in the present surroundings."""

    surroundings: str
    ratios: Mapping[str, float]
    exact: bool


def surroundings() -> str:
    """What decides how many instructions the same code takes, as text."""
    levels = re.findall(r"-O\w+", sysconfig.get_config_var("PY_CFLAGS") or "")
    profiled = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return ", ".join(
        (
            f"{platform.python_implementation()} {platform.python_version()}",
            " ".join([platform.python_compiler(), *levels[-1:], *(["profiled"] if profiled else [])]),
            " ".join(platform.libc_ver()),
            f"SQLite {sqlite3.sqlite_version}",
            platform.machine(),
        )
    )


def load() -> Records:
    """All records."""
    found: Records = json.loads(FILE.read_text())
    return found


def save(records: Records) -> None:
    """Keep `records`, in a form that is easily compared."""
    FILE.write_text(json.dumps(records, indent=2, sort_keys=True) + "\n")


def find(records: Records, present: str) -> Reference:
    """The record of the present surroundings, or else that of the nearest minor version of Python."""
    if present in records:
        return Reference(present, records[present], True)
    nearest = min(records, key=lambda name: (abs(_minor(name) - _minor(present)), name))
    return Reference(nearest, records[nearest], False)


def _minor(name: str) -> int:
    found = re.match(r"\w+ 3\.(\d+)", name)
    return int(found[1]) if found else 0
