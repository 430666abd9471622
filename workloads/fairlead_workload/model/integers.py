"""Integers that were written as floats: `1.0` and `1e3` are integers to JSON Schema, and to whoever reads them later.

The validator finds where an integer was expected, at any depth, behind references and in whichever alternative the
document took; what it says of a schema is never worked out a second time. Only a document that holds such a float is
looked at.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from jsonschema_rs import Draft202012Validator

from fairlead_contract.json_schema.compilation import INTEGER_MARK
from fairlead_workload.stores.base import Document


def as_integers(document: Document, validator: Draft202012Validator) -> Document:
    """`document`, with a whole number where `validator` (of `with_64_bit_integers`) wants one; unchanged in place."""
    if not _has_whole_float(document.values()):
        return document
    wanted = [
        annotation["instanceLocation"]
        for annotation in validator.evaluate(document).annotations()
        if isinstance(annotation["annotations"], dict) and INTEGER_MARK in annotation["annotations"]
    ]
    if not wanted:
        return document
    result = deepcopy(document)
    for place in wanted:
        _replace(result, place)
    return result


def _has_whole_float(values: Iterable[Any]) -> bool:
    for value in values:
        kind = type(value)
        if kind is dict:
            found = _has_whole_float(value.values())
        elif kind is list:
            found = _has_whole_float(value)
        else:
            found = kind is float and value.is_integer()
        if found:
            return True
    return False


def _replace(document: Any, place: str) -> None:
    """Make the float at a JSON Pointer (RFC 6901) an integer."""
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in place.split("/")[1:]]
    for part in way:
        document = document[int(part) if isinstance(document, list) else part]
    name = int(last) if isinstance(document, list) else last
    if isinstance(document[name], float):
        document[name] = int(document[name])
