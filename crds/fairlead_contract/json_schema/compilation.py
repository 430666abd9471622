"""The JSON Schemas that users write: how they are compiled, and what is wrong with one.

The dialect is 2020-12, with formats asserted, patterns that match in linear time, no reference outside the schema, and
integers of 64 bits. The API validates with what `compile_schema` returns, so whatever lint takes, serves.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import jsonschema_rs

from fairlead_contract.findings import Finding, Place, did_you_mean, error, nearest, warning
from fairlead_contract.json_schema import references
from fairlead_contract.json_schema.keywords import KEYWORDS, Json, nodes
from fairlead_contract.json_schema.references import SCALARS, PlainSchema, Unresolved

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TYPES = sorted(SCALARS | {"array", "object", "null"})
FORMATS = frozenset({
    "date", "date-time", "duration", "email", "hostname", "idn-email", "idn-hostname", "ipv4", "ipv6", "iri",
    "iri-reference", "json-pointer", "regex", "relative-json-pointer", "time", "uri", "uri-reference", "uri-template",
    "uuid",
})  # fmt: skip


def compile_schema(schema: Json, *, masked: bool = False) -> jsonschema_rs.Draft202012Validator:
    """The validator of `schema`. Raises jsonschema_rs.ValidationError when it is no valid, self-contained schema.

    With `masked`, its messages say "the value" where they would repeat it.
    """
    return jsonschema_rs.Draft202012Validator(
        schema,
        pattern_options=jsonschema_rs.RegexOptions(),
        validate_formats=True,
        offline=True,
        mask="the value" if masked else None,
    )


INTEGER_MARK = "x-fairlead-integer"  # an annotation: the validator says where an integer was wanted
_INTEGER_MIN, _INTEGER_END = -(2.0**63), 2.0**63  # as floats, which the validator compares exactly with either kind


def with_64_bit_integers(schema: Json) -> Json:
    """A valid `schema` in which every integer has our range, wherever it stands, and the annotation INTEGER_MARK."""
    result = deepcopy(schema)
    for node in wanting_integers(result):
        node["minimum"] = max(node.get("minimum", _INTEGER_MIN), _INTEGER_MIN)
        node["exclusiveMaximum"] = min(node.get("exclusiveMaximum", _INTEGER_END), _INTEGER_END)
        node[INTEGER_MARK] = True
    return result


def wanting_integers(schema: Json) -> list[Json]:
    """The schemas within a valid `schema` to which a number is an integer, however deep."""
    return [node for node, _ in nodes(schema) if _wants_integers(node.get("type"))]


def _wants_integers(declared: Any) -> bool:
    return declared == "integer" or (isinstance(declared, list) and "integer" in declared and "number" not in declared)


def property_type(schema: PlainSchema, name: str) -> str | None:
    """The one scalar type of a property, or None when it is absent, nested, nullable or of several types."""
    declared = schema.properties.get(name, {}).get("type")
    return declared if isinstance(declared, str) and declared in SCALARS else None


def schema_findings(schema: Json, place: Place) -> list[Finding]:
    """What is wrong with a resource's schema, at `place` in its document."""
    findings = [*_dialect(schema, place), *_nulls(schema, place)]
    try:
        compile_schema(schema)
        plain = references.plain(schema)
        compile_schema(plain.whole())
    except Unresolved as failure:
        return [*findings, _unresolved(str(failure), place)]
    except (jsonschema_rs.ValidationError, ValueError) as failure:
        return [*findings, _refused(failure, place)]
    findings += _endless(plain, place)
    findings += _required(schema, place)
    findings += _defaults(plain, place)
    for node, where in nodes(schema, place):
        findings += _keywords(node, where)
        findings += _booleans(node, where)
    return findings


def _unresolved(why: str, place: Place) -> Finding:
    return error(
        place, f"a reference cannot be resolved: {why}", "refer to a place in the schema, such as #/$defs/NAME"
    )


def _endless(schema: PlainSchema, place: Place) -> Iterator[Finding]:
    for name in references.circular(schema):
        message = f"the definition `{name}` refers to itself for the same value, so nothing could be checked"
        yield error(place, message, "remove the reference, or put it below properties or items")


def _dialect(schema: Json, place: Place) -> Iterator[Finding]:
    if str(schema.get("$schema", DIALECT)).rstrip("#") != DIALECT:
        yield error((*place, "$schema"), "only JSON Schema 2020-12 is supported", "leave $schema out")


def _nulls(value: Any, place: Place) -> Iterator[Finding]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if item is None:
                remedy = {"const": 'write `type: "null"`', "default": "leave the default out"}
                yield error(
                    (*place, key),
                    "is null, which client-side `kubectl apply` drops",
                    remedy.get(key, "leave the field out"),
                )
            else:
                yield from _nulls(item, (*place, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _nulls(item, (*place, position))


def _refused(failure: Exception, place: Place) -> Finding:
    if not isinstance(failure, jsonschema_rs.ValidationError):
        return error(place, f"is no valid JSON Schema: {failure}", "correct it")
    where = (*place, *failure.instance_path)
    kind, value = failure.kind, failure.instance
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Referencing):
        return _unresolved(_reason(failure), place)
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Format) and kind.format == "regex":
        message = "is no regular expression that matches in linear time"
        return error(where, f"`{value}` {message}", "correct it; look-around and back-references are not supported")
    if where[-1:] == ("type",) and isinstance(value, str):
        return error(
            where, f"`{value}` is no JSON Schema type{did_you_mean(value, TYPES)}", f"one of {', '.join(TYPES)}"
        )
    return error(where, f"is no valid JSON Schema: {failure.message}", "correct it")


def _reason(failure: jsonschema_rs.ValidationError) -> str:
    return str(failure.message).split(" and retrieving it failed")[0].replace("present in a registry", "in the schema")


def _required(schema: Json, place: Place) -> Iterator[Finding]:
    closed = schema.get("additionalProperties") is False
    for position, name in enumerate(schema.get("required", ())):
        if name not in schema["properties"]:
            message = f"required property `{name}` is not declared{did_you_mean(name, schema['properties'])}"
            yield (error if closed else warning)((*place, "required", position), message, "declare it under properties")


def _defaults(schema: PlainSchema, place: Place) -> Iterator[Finding]:
    for name, node in schema.properties.items():
        if node.get("default") is None:
            continue
        if not compile_schema(with_64_bit_integers({"$defs": schema.definitions} | node)).is_valid(node["default"]):
            yield error(
                (*place, "properties", name, "default"), "the default does not match its own schema", "correct either"
            )


def _keywords(node: Json, place: Place) -> Iterator[Finding]:
    for word in node.keys() - KEYWORDS:
        if near := nearest(word, KEYWORDS):
            yield warning((*place, word), f"unknown keyword `{word}` has no effect; did you mean `{near}`?")
        elif not word.startswith("x-"):
            yield warning((*place, word), f"unknown keyword `{word}` has no effect", "remove it, or start it with x-")
    format_ = node.get("format")
    if isinstance(format_, str) and format_ not in FORMATS:
        message = f"format `{format_}` is not checked{did_you_mean(format_, FORMATS)}"
        yield warning((*place, "format"), message, "use a format of JSON Schema 2020-12, or a pattern")


def _booleans(node: Json, place: Place) -> Iterator[Finding]:
    """Booleans among texts, which some words become without quotes. Names of properties are checked as YAML is read."""
    if node.get("type") == "string" and any(isinstance(value, bool) for value in node.get("enum", ())):
        message = "the enum of a string holds a boolean: YAML 1.1 reads unquoted yes, no, on and off so"
        yield warning((*place, "enum"), message, "write the values in quotes")
