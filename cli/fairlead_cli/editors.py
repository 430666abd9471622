"""`fairlead schema`: the JSON Schema that editors read, on standard output."""

import json
import sys

from fairlead_contract.crd.definitions import KINDS
from fairlead_contract.crd.editor_schema import editor_schema


def text(kind: str | None = None) -> str:
    """The schema of one kind, or of all, as it is printed. `kind` is the name of a kind."""
    return json.dumps(editor_schema([each for each in KINDS if kind in (None, each.name)]), indent=1) + "\n"


def schema(kind: str | None) -> int:
    """Print the schema. Returns the exit code."""
    sys.stdout.write(text(kind))
    return 0
