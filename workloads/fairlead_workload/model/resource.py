# ruff: noqa: A005 - always imported by its full name
"""One resource of the API, compiled: its key, its validator, what clients may set, what the server sets.

Pure and immutable after construction; API and worker share it. Validation is JSON Schema 2020-12 with formats asserted
and linear-time regular expressions; all errors are listed at once.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from itertools import islice
from typing import Any
from urllib.parse import unquote

import msgspec
from jsonschema_rs import Draft202012Validator, ValidationError

from fairlead_contract.json_schema.compilation import compile_schema, wanting_integers, with_64_bit_integers
from fairlead_contract.json_schema.write_only import write_only
from fairlead_contract.spec.api import KeyGeneration
from fairlead_contract.spec.api import Resource as ResourceSpec
from fairlead_workload.model import identifiers, instants, keys, problems
from fairlead_workload.model.integers import as_integers
from fairlead_workload.model.problems import FieldError
from fairlead_workload.stores.base import Document, Key, Scalar

MAX_ERRORS = 100
_INTEGER_LIMITS = (keys.INT_MIN, keys.INT_MAX + 1)
_EXACT = 2**53  # above, every float is an integer
_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def pointer(path: Iterable[str | int]) -> str:
    """An RFC 6901 JSON Pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


class Resource:
    """A resource as API and worker use it. `spec` is the contract's."""

    def __init__(self, spec: ResourceSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.schema: dict[str, Any] = spec.schema_.plain.whole()
        self.properties: dict[str, dict[str, Any]] = self.schema["properties"]
        self.key_names: tuple[str, ...] = (spec.key.partition,) + ((spec.key.sort,) if spec.key.sort else ())
        self.key_parsers = tuple(keys.parser(self.properties[name]) for name in self.key_names)
        self.generated = spec.key.generate is KeyGeneration.UUID_V7
        self.read_only = frozenset(name for name, schema in self.properties.items() if schema.get("readOnly") is True)
        self._server_set = frozenset(filter(None, (spec.timestamps.created, spec.timestamps.updated)))
        self.write_only = write_only(spec.schema_.plain)
        self._shown = tuple(name for name in self.properties if name not in self.write_only)
        self._defaults = {name: schema["default"] for name, schema in self.properties.items() if "default" in schema}
        self._date_times = tuple(
            name for name, schema in self.properties.items() if schema.get("format") == "date-time"
        )
        self._numbers = tuple(name for name, schema in self.properties.items() if schema.get("type") == "number")
        self._integers = tuple(name for name, schema in self.properties.items() if schema.get("type") == "integer")
        self._integers_deeper = len(wanting_integers(self.schema)) > len(self._integers)
        input_schema = self._input_schema()
        self._required = frozenset(input_schema["required"])
        # The validator's messages repeat values, so those about a document with something to hide have none.
        masked = bool(self.write_only)
        self._validator = compile_schema(with_64_bit_integers(input_schema), masked=masked)
        self._patch_validator = compile_schema(with_64_bit_integers(self._patch_schema()), masked=masked)
        self._kept_validator = self._validator
        if self.write_only:  # what a PUT leaves out is kept, so only the document that comes of it has to be whole
            required = sorted(self._required - self.write_only)
            kept = self._patch_schema() | {"required": required}
            self._kept_validator = compile_schema(with_64_bit_integers(kept), masked=True)

    def _input_schema(self) -> dict[str, Any]:
        """The schema without requiring what clients do not send: read-only properties, and the key (in the URL)."""
        optional = self.read_only | self._server_set | set(self.key_names)
        schema = dict(self.schema)
        schema["required"] = [name for name in schema.get("required", ()) if name not in optional]
        return schema

    def _patch_schema(self) -> dict[str, Any]:
        """What holds for each property by itself, whatever the others are."""
        kept = ("$defs", "type", "properties", "patternProperties", "additionalProperties", "propertyNames")
        return {name: self.schema[name] for name in kept if name in self.schema}

    # Keys

    def parse_key(self, segments: tuple[str, ...]) -> Key:
        """The key in decoded URL segments. Raises Problem `invalid-key`."""
        try:
            return tuple(parse(segment) for parse, segment in zip(self.key_parsers, segments, strict=True))
        except keys.InvalidKey as error:
            raise problems.invalid_key(f"{error}.") from None

    def document_key(self, document: Mapping[str, Any]) -> Key:
        """The key inside a document that has passed `check`. Raises Problem `invalid-document`."""
        key: list[Scalar] = []
        errors: list[FieldError] = []
        for name in self.key_names:
            try:
                key.append(keys.check(document[name]))
            except KeyError:
                errors.append({"pointer": pointer([name]), "detail": "the key is required"})
            except keys.InvalidKey as error:
                errors.append({"pointer": pointer([name]), "detail": str(error)})
        if errors:
            raise problems.invalid_document(tuple(errors))
        return tuple(key)

    def path(self, key: Key) -> str:
        """`orders/KEY`: the document's name in caches, events and operations, and the end of its URL."""
        return f"{self.name}/{keys.path(key)}"

    def parse_path(self, path: str) -> Key:
        """The key in a document's `path`. Raises Problem `invalid-key`, ValueError for what names no document here."""
        name, _, rest = path.partition("/")
        segments = rest.split("/")
        if name != self.name or len(segments) != len(self.key_names):
            raise ValueError(f"{path!r} does not name a document of {self.name}")
        return self.parse_key(tuple(unquote(segment) if "%" in segment else segment for segment in segments))

    # Documents

    def check(self, document: Document) -> None:
        """Check all of `document` against the schema. Raises Problem `invalid-document` with every error."""
        errors = self._errors(document, self._validator)
        if errors:
            raise problems.invalid_document(tuple(errors))

    def _errors(self, document: Document, validator: Draft202012Validator) -> list[FieldError]:
        return [] if validator.is_valid(document) else _described(validator, document)

    def check_new(self, body: Document, *, from_path: Key | None = None) -> None:
        """Check a client's whole document (POST, or PUT with the key `from_path`) without looking at a stored one."""
        located = body if from_path is None else body | dict(zip(self.key_names, from_path, strict=True))
        errors = self._errors(located, self._validator if self.is_whole(body, from_path) else self._kept_validator)
        if from_path is None:
            if self.generated and self.key_names[0] in body:
                errors.append(
                    {"pointer": pointer([self.key_names[0]]), "detail": "the server makes this key; leave it out"}
                )
            errors += self._read_only_errors(body, {})
        else:
            errors += self._key_errors(body, from_path)
        if errors:
            raise problems.invalid_document(tuple(errors))

    def is_whole(self, body: Document, from_path: Key | None) -> bool:
        """Whether `body` says all there is to check, and leaves nothing writeOnly to what is stored."""
        return not self.write_only or from_path is None or self.write_only <= body.keys()

    def check_patch(self, patch: Document) -> None:
        """Check of a merge patch what fails whatever it is applied to. Raises `invalid-document`.

        A value that is no object ends up in the document as it is; one that is may merge with what is stored.
        """
        decided = {name: value for name, value in patch.items() if value is not None and not isinstance(value, dict)}
        errors = [
            {"pointer": pointer([name]), "detail": "the property is required, and cannot be removed"}
            for name in sorted(self._required)
            if name in patch and patch[name] is None
        ]
        if not self._patch_validator.is_valid(decided):
            errors += _described(self._patch_validator, decided)
        if errors:
            raise problems.invalid_document(tuple(errors))

    def check_read_only(self, document: Document, stored: Mapping[str, Any]) -> None:
        """Check that `document` repeats stored read-only values or leaves them out. Raises `invalid-document`."""
        errors = self._read_only_errors(document, stored)
        if errors:
            raise problems.invalid_document(tuple(errors))

    def _read_only_errors(self, document: Mapping[str, Any], stored: Mapping[str, Any]) -> list[FieldError]:
        return [
            {"pointer": pointer([name]), "detail": "the property is read-only"}
            for name in self.read_only & document.keys()
            if name not in self.key_names and (name not in stored or stored[name] != document[name])
        ]

    def check_key(self, document: Mapping[str, Any], key: Key) -> None:
        """Check that `document` does not name another key than its URL. Raises `invalid-document`."""
        errors = self._key_errors(document, key)
        if errors:
            raise problems.invalid_document(tuple(errors))

    def _key_errors(self, document: Mapping[str, Any], key: Key) -> list[FieldError]:
        return [
            {"pointer": pointer([name]), "detail": "the key differs from the one in the URL"}
            for name, value in zip(self.key_names, key, strict=True)
            if name in document and not self._is_key_value(name, document[name], value)
        ]

    def _is_key_value(self, name: str, written_value: Any, value: Scalar) -> bool:
        if name in self._date_times and isinstance(written_value, str):
            try:
                return instants.normalise(written_value) == value
            except ValueError:
                return False
        return bool(written_value == value) and isinstance(written_value, bool) == isinstance(value, bool)

    def check_created_key(self, key: Key) -> None:
        """Check that a PUT may create a document under `key`: with generated keys, only a UUIDv7."""
        if self.generated and not (isinstance(key[0], str) and identifiers.is_uuid7(key[0])):
            detail = "the server makes these keys; only a UUIDv7 may be created by PUT"
            raise problems.invalid_document(({"pointer": pointer([self.key_names[0]]), "detail": detail},))

    def normalise(self, document: Document) -> Document:
        """The document in stored form: date-times in fixed-width UTC, integers as integers (not 1.0)."""
        result = dict(as_integers(document, self._validator) if self._integers_deeper else document)
        errors: list[FieldError] = []
        for name in self._date_times:
            if isinstance(value := result.get(name), str):
                try:
                    result[name] = instants.normalise(value)
                except ValueError as error:
                    errors.append({"pointer": pointer([name]), "detail": str(error)})
        for name in self._integers:
            if isinstance(value := result.get(name), float) and value.is_integer():
                result[name] = int(value)
        if errors:
            raise problems.invalid_document(tuple(errors))
        return result

    def encode(self, document: Mapping[str, Any]) -> bytes:
        """The one JSON representation of a stored document: the same bytes whatever store or write it comes from.

        What is writeOnly is not in it. Declared properties come first, in the schema's order; names of nested objects
        are sorted.
        """
        ordered = {name: document[name] for name in self._shown if name in document}
        if len(ordered) != len(document):
            others = document.keys() - ordered.keys() - self.write_only
            ordered.update((name, document[name]) for name in sorted(others))
        for name in self._numbers:
            value = ordered.get(name)
            if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
                ordered[name] = int(value)
        for name, value in ordered.items():
            if isinstance(value, (dict, list)):
                ordered[name] = msgspec.Raw(_encode_sorted(value))
        return _encode(ordered)

    def shown(self, document: Document) -> Document:
        """`document` without what is writeOnly."""
        if not self.write_only:
            return document
        return {name: value for name, value in document.items() if name not in self.write_only}

    def created(self, body: Document, key: Key, *, at: float) -> Document:
        """The new document for a checked `body`: defaults, key and timestamps set, in stored form."""
        document = {name: _copied(value) for name, value in self._defaults.items()}
        document.update(body)
        document.update(zip(self.key_names, key, strict=True))
        return self._stamped(document, at, created=True)

    def replaced(self, body: Document, key: Key, stored: Document, *, at: float) -> Document:
        """The document that replaces `stored`: its read-only values are kept, and what is writeOnly and not in `body`.

        With such a one, the document is checked as a whole. Raises Problem `invalid-document`.
        """
        document = {name: _copied(value) for name, value in self._defaults.items() if name not in self.read_only}
        document.update((name, stored[name]) for name in self.write_only if name in stored)
        document.update(body)
        document.update((name, stored[name]) for name in self.read_only if name in stored)
        document.update(zip(self.key_names, key, strict=True))
        created = self.spec.timestamps.created
        if created is not None and created in stored:
            document[created] = stored[created]
        if not self.is_whole(body, key):
            self.check(document)
        return self._stamped(document, at, created=False)

    def patched(self, document: Document, *, at: float) -> Document:
        """A merged, checked document in stored form."""
        return self._stamped(document, at, created=False)

    def _stamped(self, document: Document, at: float, *, created: bool) -> Document:
        document = self.normalise(document)
        stamps = self.spec.timestamps
        if created and stamps.created is not None:
            document[stamps.created] = instants.render(at)
        if stamps.updated is not None:
            document[stamps.updated] = instants.render(at)
        return document


def _copied(value: Any) -> Any:
    return deepcopy(value) if isinstance(value, (dict, list)) else value


def _described(validator: Draft202012Validator, document: Document) -> list[FieldError]:
    first_errors = islice(validator.iter_errors(document), MAX_ERRORS)
    return [{"pointer": pointer(error.instance_path), "detail": _detail(error)} for error in first_errors]


def _detail(error: ValidationError) -> str:
    """The validator's message, bounded. It may repeat the client's own value, never anything of ours."""
    if error.kind.as_dict().get("limit") in _INTEGER_LIMITS:
        return "an integer has at most 64 bits"
    return error.message if len(error.message) <= 300 else error.message[:297] + "..."
