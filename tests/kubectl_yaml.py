"""YAML as kubectl and Helm read it: with the numbers of version 1.2 (`1e3`) and the booleans of 1.1 (`y`, `off`).

PyYAML reads version 1.1, and `y` as text. What is text to both is text to everybody.
"""

import re
from typing import Any

import yaml

TYPES = {
    "null": r"(~|null|Null|NULL|)$",
    "bool": r"(?i:true|false|y|n|yes|no|on|off)$",
    "int": r"[-+]?([0-9][0-9_]*|0o[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+)$",
    "float": r"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(?i:inf)|\.(?i:nan))$",
}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}


for _type, _pattern in TYPES.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_type}", re.compile(_pattern), None)
_Loader.add_constructor("tag:yaml.org,2002:bool", lambda _, node: node.value.lower() in {"true", "y", "yes", "on"})


def load_all(text: str) -> list[Any]:
    """Every document of a stream."""
    return [each for each in yaml.load_all(text, Loader=_Loader) if each]
