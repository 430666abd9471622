"""CEL: what `when`, `set` and `body` of worker steps say, and the rules of the contract itself.

An expression sees a fixed set of variables and is compiled once; its result is plain JSON or an ExpressionError.
Evaluation is bounded by the library (nesting 32, an iteration budget), so no expression runs away.
"""

import base64
import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext import ext_optional  # type: ignore[import-untyped]

from fairlead_contract.cel import functions

STEP_VARIABLES: Final = ("document", "event", "results")
RULE_VARIABLES: Final = ("self", "oldSelf")

_ERROR = cel.Type.ERROR
_STRING = cel.Type.STRING
_POSITION = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_STATUS = re.compile(r"^[A-Z_]+: ")
# What the bindings raise: RuntimeError from the parser and the evaluator, TypeError for a value without a Python form.
_FAILURES = (RuntimeError, TypeError)


class ExpressionError(ValueError):
    """An expression that does not compile (`line` and `column` say where, from 1) or has no value."""

    def __init__(self, message: str, *, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message if line is None else f"{message} (line {line}, column {column})")
        self.message = message
        self.line = line
        self.column = column


_VARIES = object()


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression. Call it with its variables; the result is plain JSON."""

    text: str
    result_type: str  # as far as it is known before evaluation: BOOL, STRING, INT, ... or DYN
    _expression: cel.Expression
    _constant: Any = _VARIES  # the value, where it is a scalar that depends on no variable

    def __call__(self, variables: Mapping[str, Any]) -> Any:
        """The value over `variables`, which hold JSON values. Raises ExpressionError when there is none.

        Timestamps become RFC 3339 text in UTC, durations seconds such as `1.5s`, bytes base64 (as in protobuf's JSON).
        """
        if self._constant is not _VARIES:
            return self._constant
        if "\\x00" in repr(variables) and _has_nul(variables):
            raise ExpressionError("a text of the variables holds a NUL character")
        try:
            return _plain(self._expression.eval(data=variables))
        except _FAILURES as error:
            raise ExpressionError(_evaluation_message(str(error))) from None


def compile(text: str, *, variables: tuple[str, ...] = STEP_VARIABLES) -> Program:  # noqa: A001 - the field's term
    """`text` as a program over `variables`. Raises ExpressionError with the parser's position."""
    try:
        expression = _environment(variables).compile(text)
    except _FAILURES as error:
        raise _compile_error(str(error)) from None
    return Program(text, str(expression.return_type()), expression, _constant(expression))


def _constant(expression: cel.Expression) -> Any:
    """The scalar that `expression` gives without any variable; CEL has no other inputs, so it gives no other one."""
    try:
        value = _plain(expression.eval(data={}))
    except (ExpressionError, *_FAILURES):
        return _VARIES
    return _VARIES if isinstance(value, (dict, list)) else value


@lru_cache(maxsize=8)
def _environment(variables: tuple[str, ...]) -> cel.Env:
    return cel.NewEnv(
        variables=dict.fromkeys(variables, cel.Type.DYN),
        extensions=[ext_optional.ExtOptional()],
        functions=functions.declarations() if variables == RULE_VARIABLES else (),
    )


def _has_nul(value: Any) -> bool:
    """Whether a text of `value` holds a NUL: the library would silently cut it off there."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_nul(item) for item in value)


def _plain(value: cel.Value) -> Any:
    """`value` as JSON. Walked by hand: the library's own `plain_value` crashes the process on an optional in a map."""
    kind = value.type()
    if kind == _ERROR:
        raise ExpressionError(_error_message(value))
    if kind == _STRING:
        return value.value()
    content = value.value()
    if isinstance(content, dict):
        return {_key(key): _plain(item) for key, item in content.items()}
    if isinstance(content, list):
        return [_plain(item) for item in content]
    return _scalar(content)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ExpressionError(f"the result has the key {key}, but JSON keys are text")
    return key


def _scalar(content: Any) -> Any:
    if content is None or isinstance(content, (bool, int)):
        return content
    if isinstance(content, float):
        if not math.isfinite(content):
            raise ExpressionError(f"the result is {content}, which JSON cannot say")
        return content
    if isinstance(content, datetime.datetime):
        return content.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(content, datetime.timedelta):
        return f"{content.total_seconds():f}".rstrip("0").rstrip(".") + "s"
    if isinstance(content, (bytes, bytearray)):
        return base64.b64encode(content).decode("ascii")
    raise ExpressionError(f"the result is a {type(content).__name__}, which JSON cannot say")


def _error_message(value: cel.Value) -> str:
    try:
        return _evaluation_message(str(value.value()))
    except TypeError:  # an optional reads as an error without a value
        return _evaluation_message("Unable to convert")


def _evaluation_message(text: str) -> str:
    if "Unable to convert" in text:
        return "the result is optional; end it with .orValue(...)"
    if "construction from null" in text:
        return "a text of the variables is not valid Unicode"
    return _STATUS.sub("", text.removesuffix(" [INTERNAL]")) or "no value"


def _compile_error(text: str) -> ExpressionError:
    match = _POSITION.search(text)
    if match is None:
        if "incompatible function arguments" in text:
            return ExpressionError("the expression is not valid Unicode")
        return ExpressionError(_STATUS.sub("", re.sub(r" \[[A-Z_]+\]$", "", text)))
    line, column, message = int(match[1]), int(match[2]), re.sub(r" \[[A-Z_]+\]$", "", match[3])
    message = re.sub(r"^Syntax error: |, expecting .*| expecting \{.*", "", message).replace("(in container '')", "")
    if line < 1:
        return ExpressionError(message.strip())
    return ExpressionError(message.strip(), line=line, column=column)
