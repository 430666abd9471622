"""References inside one JSON Schema, however they are written: `PlainSchema` has them all as `#/$defs/NAME`. Pure.

A reference leads to a place in the same schema, by JSON Pointer, anchor or `$id` (RFC 3986, relative to the `$id`
around it). Lint, the API and the OpenAPI document all read the plain form, so they cannot differ about one. A property
that refers to a scalar says itself what it refers to; of any other it says `readOnly`, `writeOnly` and `default`
itself: whoever asks about a property need not follow references.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from fairlead_contract.json_schema.keywords import Json, below, mapped

SCALARS = frozenset({"string", "integer", "number", "boolean"})
_HOME = "http://schema.invalid/"  # what a relative `$id` is relative to
_NAMING = frozenset({"$id", "$anchor", "$dynamicAnchor", "$schema", "$vocabulary", "$defs", "definitions"})
_REFERRING = ("$ref", "$dynamicRef")
_OF_PROPERTY = ("readOnly", "writeOnly", "default")
_ANNOTATIONS = frozenset({*_OF_PROPERTY, "$comment", "deprecated", "description", "examples", "title"})
_SAME_VALUE = frozenset({"allOf", "anyOf", "dependentSchemas", "else", "if", "not", "oneOf", "then"})
_TRANSPARENT = frozenset({"$defs", "definitions", "properties"})  # not worth a mention in a name


class Unresolved(ValueError):
    """A reference that leads nowhere in its schema; the message says why."""


@dataclass(frozen=True, slots=True)
class PlainSchema:
    """A schema of type object without `$defs`; `definitions` are those that it and they refer to, by name."""

    root: Json
    definitions: dict[str, Json]

    @property
    def properties(self) -> dict[str, Json]:
        """The document's properties by name."""
        declared: dict[str, Json] = self.root["properties"]
        return declared

    def whole(self) -> Json:
        """One schema again."""
        return self.root | {"$defs": self.definitions} if self.definitions else self.root


def plain(schema: Json) -> PlainSchema:
    """`schema` with plain references. Raises Unresolved."""
    if not any(f"{word}'" in repr(schema) for word in _REFERRING):  # most have none
        return PlainSchema({word: value for word, value in schema.items() if word not in _NAMING}, {})
    conversion = _Conversion(schema)
    root = conversion.convert(schema)
    definitions = conversion.definitions
    properties = {name: _property(node, definitions) for name, node in root["properties"].items()}
    root = root | {"properties": properties}
    return PlainSchema(root, {name: definitions[name] for name in _reached(root, definitions)})


def target(reference: str) -> str:
    """The name of the definition in a plain reference."""
    return reference.removeprefix("#/$defs/")


def circular(schema: PlainSchema) -> Iterator[str]:
    """The definitions that refer to themselves for the value that they are about, and not for one within it."""
    for name in schema.definitions:
        reached: set[str] = set()
        waiting: list[Any] = [schema.definitions[name]]
        while waiting:
            node = waiting.pop()
            waiting += [inner for inner, place in below(node) if place[0] in _SAME_VALUE]
            if isinstance(node, dict) and "$ref" in node and (referenced := target(node["$ref"])) not in reached:
                reached.add(referenced)
                waiting.append(schema.definitions[referenced])
        if name in reached:
            yield name


class _Conversion:
    def __init__(self, schema: Json) -> None:
        self.definitions: dict[str, Json] = {}
        self._names: dict[int, str] = {}  # of converted targets, by identity of the node in `schema`
        self._bases: dict[int, str] = {}
        self._resources: dict[str, Json] = {}
        self._anchors: dict[tuple[str, str], Json] = {}
        self._dynamic: list[str] = []
        self._register(schema, _HOME)
        self._resources.setdefault(_HOME, schema)

    def _register(self, node: Any, base: str) -> None:
        """Note the base URI of every schema, and what `$id` and anchors name."""
        if not isinstance(node, dict) or id(node) in self._bases:
            return
        base = self._bases[id(node)] = _base(node, base)
        if isinstance(node.get("$id"), str):
            self._resources[base] = node
        for word in ("$anchor", "$dynamicAnchor"):
            if isinstance(name := node.get(word), str):
                self._anchors[base, name] = node
                self._dynamic += [name] if word == "$dynamicAnchor" else []
        for inner, _ in below(node):
            self._register(inner, base)

    def convert(self, node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        kept = {word: value for word, value in node.items() if word not in _NAMING and word not in _REFERRING}
        result = mapped(kept, self.convert)
        for word in _REFERRING:
            if isinstance(reference := node.get(word), str):
                place = self._lead(reference, self._bases[id(node)], dynamic=word == "$dynamicRef")
                result = place | result if "$ref" not in result else _and(result, place)
        return result

    def _lead(self, reference: str, base: str, *, dynamic: bool) -> Json:
        """What stands for a reference: one to a definition, or a boolean schema written out."""
        found, wanted = self._find(reference, base)
        if isinstance(found, bool):
            return {} if found else {"not": {}}
        if not isinstance(found, dict):
            raise Unresolved(f"`{reference}` leads to something that is no schema")
        anchor = found.get("$dynamicAnchor")
        if dynamic and isinstance(anchor, str) and self._dynamic.count(anchor) > 1:
            raise Unresolved(
                f"`{reference}` leads to one of several anchors of this name, which one depends on the way"
            )
        if id(found) not in self._names:
            name = self._names[id(found)] = self._free(wanted)
            self.definitions[name] = {}  # keeps the name while references in it are followed
            self.definitions[name] = self.convert(found)
        return {"$ref": f"#/$defs/{self._names[id(found)]}"}

    def _find(self, reference: str, base: str) -> tuple[Any, str]:
        """The schema that `reference` means, and a name for it."""
        url, fragment = urldefrag(_joined(base, reference))
        resource, fragment = self._resources.get(url), unquote(fragment)
        if resource is None:
            raise Unresolved(f"`{reference}` leads out of the schema")
        if not fragment:
            return resource, _stem(url)
        if fragment.startswith("/"):
            return self._walk(resource, url, fragment, reference)
        anchored = self._anchors.get((url, fragment))
        if anchored is None:
            raise Unresolved(f"there is no anchor for `{reference}`")
        return anchored, fragment

    def _walk(self, node: Any, base: str, fragment: str, reference: str) -> tuple[Any, str]:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in fragment.split("/")[1:]]
        for part in parts:
            base = _base(node, base)
            if isinstance(node, list) and part.isdecimal() and int(part) < len(node):
                node = node[int(part)]
            elif isinstance(node, dict) and part in node:
                node = node[part]
            else:
                raise Unresolved(f"there is nothing at `{reference}`")
        self._register(node, base)  # it may be where no schema is expected
        named = [part for part in parts if part not in _TRANSPARENT] or parts
        return node, "_".join(named)

    def _free(self, wanted: str) -> str:
        base = re.sub(r"[^A-Za-z0-9]+", "_", wanted).strip("_") or "definition"
        name, count = base, 1
        while name in self.definitions:
            count += 1
            name = f"{base}{count}"
        return name


def _base(node: Any, base: str) -> str:
    """The base URI within `node`."""
    own = node.get("$id") if isinstance(node, dict) else None
    return urldefrag(_joined(base, own)).url if isinstance(own, str) else base


def _joined(base: str, reference: str) -> str:
    if reference.startswith("#"):
        return urldefrag(base).url + reference
    return reference if urlsplit(reference).scheme else urljoin(base, reference)


def _stem(url: str) -> str:
    name = re.split(r"[/:]", url)[-1].split(".")[0]
    return name or "self"


def _and(schema: Json, other: Json) -> Json:
    return schema | {"allOf": [*schema.get("allOf", ()), other]}


def _property(node: Any, definitions: dict[str, Json], seen: tuple[str, ...] = ()) -> Any:
    """A property that says itself what others look for."""
    if not isinstance(node, dict) or ("$ref" not in node and "allOf" not in node):
        return node
    branches = [_property(branch, definitions, seen) for branch in node.get("allOf", ())]
    if "$ref" in node and (name := target(node["$ref"])) not in seen:
        definition = _property(definitions[name], definitions, (*seen, name))
        rest = {word: value for word, value in node.items() if word != "$ref"}
        scalar = isinstance(definition.get("type"), str) and definition["type"] in SCALARS
        if scalar and not (rest.keys() & definition.keys()) - _ANNOTATIONS:
            return definition | rest
        branches.append(definition)
    own_keywords = {word: branch[word] for word in _OF_PROPERTY for branch in branches if _says(branch, word)}
    return own_keywords | node


def _says(branch: Any, word: str) -> bool:
    return isinstance(branch, dict) and word in branch


def _reached(root: Json, definitions: dict[str, Json]) -> Iterator[str]:
    """The names of what is still referred to, in the order of the definitions."""
    reached: set[str] = set()
    waiting: list[Any] = [root]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        waiting += [inner for inner, _ in below(node)]
        name = target(node["$ref"]) if "$ref" in node else ""
        if name and name not in reached:
            reached.add(name)
            waiting.append(definitions[name])
    return (name for name in definitions if name in reached)
