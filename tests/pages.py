"""Pages of the documentation as tests read them: parts, blocks of code and tables, as they are written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
_PIECE = re.compile(
    r"^(?P<level>#+) (?P<heading>.+)$"
    r"|^```(?P<language>\w*)(?P<info>[^\n]*)\n(?P<code>[\s\S]*?)^```$"
    r"|^(?P<table>(?:\|.*\|\n)+)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Code:
    """One fenced block."""

    heading: str
    language: str
    text: str


@dataclass(frozen=True)
class Table:
    """One table: each row by its column."""

    heading: str
    rows: tuple[dict[str, str], ...]


def pieces(name: str) -> Iterator[Code | Table]:
    """The blocks and tables of docs/`name`, in order, each with the nearest heading above."""
    heading = ""
    for match in _PIECE.finditer((DOCS / name).read_text()):
        if match["heading"]:
            heading = match["heading"]
        elif match["table"]:
            yield Table(heading, tuple(_rows(match["table"])))
        else:
            yield Code(heading, match["language"], match["code"])


def blocks(name: str, language: str, heading: str = "") -> list[Code]:
    """The blocks of one language, of one part if it is named."""
    found = [piece for piece in pieces(name) if isinstance(piece, Code) and piece.language == language]
    return [block for block in found if not heading or block.heading == heading]


def _rows(text: str) -> Iterator[dict[str, str]]:
    head, _, *rows = [[cell.strip() for cell in _cells(line)] for line in text.splitlines()]
    return (dict(zip(head, row, strict=True)) for row in rows)


def _cells(line: str) -> list[str]:
    return [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def quoted(cell: str) -> list[str]:
    """What a cell has in backquotes."""
    return re.findall(r"`([^`]*)`", cell)
