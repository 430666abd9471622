"""YAML text into JSON values, as the API server would read them, with every fault named by line and column.

Keys are strings and appear once; a value is what JSON can say; dates stay text and `1e3` is a number, as in kubectl;
depth and size are bounded, so that no document exhausts memory or the stack. Names that YAML 1.1 reads as booleans
(`on`, `no`, ...) are refused, such list items noticed: kubectl turns them into `true` and `false`. Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isinf
from typing import Any

import yaml

from fairlead_contract.findings import Finding, Place, Severity, path

MAX_DEPTH = 64
MAX_NODES = 200_000  # after aliases are expanded: an alias of an alias of an alias grows fast
_BOOLEAN_WORDS = frozenset({"y", "n", "yes", "no", "on", "off"})
_TRUE_WORDS = frozenset({"y", "yes", "on", "true"})
_PREFIX = "tag:yaml.org,2002:"
_FLOAT = re.compile(
    r"^[-+]?([0-9][0-9_]*([.][0-9_]*)?([eE][-+]?[0-9]+)?|[.][0-9]+([eE][-+]?[0-9]+)?|[.](inf|Inf|INF|nan|NaN|NAN))$"
)
_DECIMAL = re.compile(r"^[-+]?(0|[1-9][0-9_]*)$")


class SyntaxFault(Exception):
    """The text is not YAML, or not what JSON can say. Lines and columns count from 1; 0: unknown."""

    def __init__(self, message: str, *, line: int = 0, column: int = 0, document: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.document = document


@dataclass(slots=True)
class Parsed:
    """One document of a text: its value, and what is odd about it."""

    value: Any
    findings: list[Finding] = field(default_factory=list)


class _Loader(yaml.CSafeLoader):
    """Resolves plain scalars as kubectl does: without dates, with exponents."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_PREFIX + "timestamp", _PREFIX + "float")]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_PREFIX + "float", _FLOAT, list("-+0123456789."))
_Loader.add_implicit_resolver(_PREFIX + "bool", re.compile(r"^[yYnN]$"), list("yYnN"))


def parse(text: str) -> list[Parsed]:
    """Every document in `text`; empty ones have the value None. Raises SyntaxFault."""
    _check_depth(text)
    documents: list[Parsed] = []
    loader = _Loader(text)
    try:
        while loader.check_node():
            if (node := loader.get_node()) is not None:
                documents.append(_Converter().convert(node))
    except SyntaxFault as fault:
        fault.document = len(documents) + 1
        raise
    except yaml.YAMLError as error:
        raise _fault(error, text, len(documents) + 1) from None
    finally:
        loader.dispose()
    return documents


def _check_depth(text: str) -> None:
    """Refuse deep nesting while it is still a flat stream of events; building the nodes recurses in C."""
    depth, document = 0, 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            document += isinstance(event, yaml.DocumentStartEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise _at(event.start_mark, f"nested deeper than {MAX_DEPTH} levels", document)
    except yaml.YAMLError as error:
        raise _fault(error, text, max(document, 1)) from None


def _at(mark: Any, message: str, document: int = 1) -> SyntaxFault:
    return SyntaxFault(message, line=mark.line + 1, column=mark.column + 1, document=document)


def _fault(error: yaml.YAMLError, text: str, document: int) -> SyntaxFault:
    if isinstance(error, yaml.MarkedYAMLError):
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            line, column = _within(text, mark.line + 1, mark.column + 1)
            return SyntaxFault(f"not valid YAML: {reason}", line=line, column=column, document=document)
    position = getattr(error, "position", None)
    if isinstance(position, int):  # a character that YAML does not allow
        before = text.encode("utf-8")[:position].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return SyntaxFault("not valid YAML: a control character", line=line, column=column, document=document)
    return SyntaxFault(f"not valid YAML: {error}", document=document)


def _within(text: str, line: int, column: int) -> tuple[int, int]:
    """The parser finds the end of a cut-off file on a line that no editor shows: name the end of the last one."""
    lines = text.splitlines()
    return (line, column) if line <= len(lines) else (len(lines), len(lines[-1]) + 1)


class _Converter:
    """One document's nodes into values."""

    def __init__(self) -> None:
        self._findings: list[Finding] = []
        self._nodes = 0

    def convert(self, root: yaml.Node) -> Parsed:
        return Parsed(self._value(root, ()), self._findings)

    def _value(self, node: yaml.Node, place: Place) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _at(node.start_mark, f"more than {MAX_NODES} values after aliases are expanded")
        if len(place) > MAX_DEPTH:
            raise _at(node.start_mark, "nested too deeply; does an alias name its own parent?")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            _expect_tag(node, "seq")
            return [self._item(child, (*place, position)) for position, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            _expect_tag(node, "map")
            return self._mapping(node, place)
        raise TypeError(f"a YAML node of an unknown kind: {type(node).__name__}")

    def _item(self, node: yaml.Node, place: Place) -> Any:
        if _is_boolean_word(node):
            message = f"the unquoted `{node.value}` is read as the boolean {str(_truth(node.value)).lower()}"
            self._findings.append(Finding(path(place), message, Severity.WARNING, "put it in quotes"))
        return self._value(node, place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _PREFIX + "merge":
                continue
            key = self._key(key_node, place)
            if key in result:
                raise _at(key_node.start_mark, f"the key `{key}` appears twice")
            result[key] = self._value(value_node, (*place, key))
        for merged in self._merged(node, place):
            result = merged | result
        return result

    def _merged(self, node: yaml.MappingNode, place: Place) -> Iterator[dict[str, Any]]:
        for key_node, value_node in node.value:
            if key_node.tag == _PREFIX + "merge":
                sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for source in sources:
                    if not isinstance(source, yaml.MappingNode):
                        raise _at(source.start_mark, "`<<` takes a mapping, or a list of mappings")
                    yield self._value(source, (*place, "<<"))

    def _key(self, node: yaml.Node, place: Place) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise _at(node.start_mark, "a key must be text")
        key: str = node.value
        if _is_boolean_word(node):
            message = (
                f"has a name that is the boolean {str(_truth(key)).lower()}: kubectl reads the unquoted `{key}` so"
            )
            self._findings.append(Finding(path(place), message, Severity.ERROR, "put the name in quotes"))
        elif node.tag != _PREFIX + "str":
            raise _at(node.start_mark, f'the key `{key}` is not text; write "{key}"')
        return key


def _is_boolean_word(node: yaml.Node) -> bool:
    plain = isinstance(node, yaml.ScalarNode) and not node.style
    return plain and node.value.lower() in _BOOLEAN_WORDS


def _truth(word: str) -> bool:
    return word.lower() in _TRUE_WORDS


def _expect_tag(node: yaml.Node, kind: str) -> None:
    if node.tag != _PREFIX + kind:
        raise _at(node.start_mark, f"the tag {node.tag.replace(_PREFIX, '!!')} is not supported")


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    kind = node.tag.removeprefix(_PREFIX)
    try:
        match kind:
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return _truth(text)
            case "int":
                return _integer(text)
            case "float":
                return _number(text)
    except OverflowError:
        message = f"`{text[:40]}` is out of range: it does not fit a 64-bit float"
        raise _at(node.start_mark, message) from None
    except ValueError:
        raise _at(node.start_mark, f"`{text[:40]}` is not a number") from None
    raise _at(node.start_mark, f"the tag {node.tag.replace(_PREFIX, '!!')} is not supported")


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    if _DECIMAL.match(digits):
        return int(digits)
    sign, body = (-1, digits[1:]) if digits.startswith("-") else (1, digits.lstrip("+"))
    if body[:2].lower() in ("0x", "0b"):
        return sign * int(body, 0)
    return sign * int(body, 8)  # YAML 1.1: a leading 0 means octal


def _number(text: str) -> float:
    value = float(text.replace("_", ""))
    if isinf(value):
        raise ValueError(text) if "inf" in text.lower() else OverflowError(text)
    return value
