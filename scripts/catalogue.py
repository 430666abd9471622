"""Every metric and every log message of the packages, read from their sources.

The sources are parsed, and expressions in them are evaluated in the module that they stand in. What cannot be listed,
such as a message that is put together or fields that come from somewhere else, raises Unlistable, which names the line:
messages are constant so that they can be searched for, and fields are named where the line is written.
"""

import ast
import contextlib
import functools
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TYPES = {
    "CounterMetricFamily": "counter",
    "GaugeMetricFamily": "gauge",
    "HistogramMetricFamily": "histogram",
    "SummaryMetricFamily": "summary",
    "Counter": "counter",
    "Gauge": "gauge",
    "Histogram": "histogram",
    "counter": "counter",
    "gauge": "gauge",
    "histogram": "histogram",
}
"""What makes a metric, by the name that is called, and its type."""

LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
Scope = ast.FunctionDef | ast.AsyncFunctionDef


class Unlistable(ValueError):
    """A metric or a log line whose name or fields do not stand in the source; the message names the line."""


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """One family of metrics, named as Prometheus shows it."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


@dataclass(frozen=True, slots=True, order=True)
class Field:
    """One member of a log line. An optional one is left out where it says nothing."""

    name: str
    is_optional: bool = False


@dataclass(frozen=True, slots=True, order=True)
class LogEvent:
    """One message, with its levels (several when the outcome decides) and fields. `trace`: of an exception."""

    message: str
    levels: tuple[str, ...]
    fields: tuple[Field, ...]
    trace: bool
    source: str


@dataclass(frozen=True, slots=True)
class Source:
    """One module: its tree, its name, and its file below the source root."""

    name: str
    file: str
    tree: ast.Module

    def value(self, node: ast.expr, scope: Scope | None) -> Any:
        """What an expression means in this module, with the constants of the function around it."""
        if isinstance(node, ast.Constant):
            return node.value
        names = dict(vars(importlib.import_module(self.name)))
        for name, assigned in _assignments(scope):
            with contextlib.suppress(ValueError):  # no constant
                names[name] = ast.literal_eval(assigned)
        return eval(compile(ast.Expression(node), self.file, "eval"), names)

    def fault(self, node: ast.AST, said: str) -> Unlistable:
        return Unlistable(f"{self.file}, line {getattr(node, 'lineno', '?')}: {said}")


@functools.cache
def sources(package: str) -> list[Source]:
    """Every module of an installed package. Shared while one list is made: never write to it."""
    [folder] = map(Path, importlib.import_module(package).__path__)
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found.append(Source(name, "/".join(path.relative_to(folder.parent).parts), ast.parse(path.read_text())))
    return found


@contextlib.contextmanager
def _released() -> Iterator[None]:
    """Keep no trees afterwards: hundreds of thousands of objects make every collection of garbage slow."""
    try:
        yield
    finally:
        sources.cache_clear()


def metrics(package: str) -> list[Metric]:
    """Every metric that the package makes, by name."""
    with _released():
        return sorted({metric for source in sources(package) for metric in _metrics(source)})


def _metrics(source: Source) -> Iterator[Metric]:
    for call, scope in _calls(source.tree):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name not in TYPES or not _makes_metrics(source, name, scope):
            continue
        arguments = dict(zip(("name", "help", "labels"), call.args, strict=False))
        arguments |= {each.arg: each.value for each in call.keywords if each.arg}
        try:
            said = {key: source.value(arguments[key], scope) for key in ("name", "help", "labels") if key in arguments}
        except NameError as error:
            raise source.fault(call, f"{error}; name, help and labels of a metric stand where it is made") from None
        if said.get("labels") and not all(isinstance(label, str) for label in said["labels"]):
            raise source.fault(call, "labels of a metric are texts")
        suffix = "_total" if TYPES[name] == "counter" and not said["name"].endswith("_total") else ""
        yield Metric(said["name"] + suffix, TYPES[name], tuple(said.get("labels", ())), said["help"])


def _makes_metrics(source: Source, name: str, scope: Scope | None) -> bool:
    """Whether `name` is of prometheus_client, or a helper in the function around that gives every metric a registry."""
    if scope is not None and scope.name in TYPES:  # within such a helper
        return False
    made = vars(importlib.import_module(source.name)).get(name)
    if made is not None:
        return str(made.__module__).startswith("prometheus_client")
    return any(isinstance(node, Scope) and node.name == name for node in ast.walk(scope or source.tree))


def log_events(package: str) -> list[LogEvent]:
    """Every line that the package logs, by message."""
    with _released():
        return sorted({event for source in sources(package) for event in _log_events(source)})


def _log_events(source: Source) -> Iterator[LogEvent]:
    loggers = {
        target.id
        for node in source.tree.body
        if isinstance(node, ast.Assign) and "getLogger" in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call, scope in _calls(source.tree):
        func = call.func
        if not (isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id in loggers):
            continue
        arguments = call.args[1:] if func.attr == "log" else call.args
        if len(arguments) != 1 or not isinstance(arguments[0], ast.Constant):
            raise source.fault(call, "a log message is one constant text; facts are fields")
        keywords = {each.arg: each.value for each in call.keywords}
        fields = _fields(source, keywords["extra"], scope) if "extra" in keywords else ()
        yield LogEvent(
            message=arguments[0].value,
            levels=_levels(source, call, func.attr, scope),
            fields=tuple(dict.fromkeys(fields)),
            trace=func.attr == "exception" or "exc_info" in keywords,
            source=source.file,
        )


def _levels(source: Source, call: ast.Call, method: str, scope: Scope | None) -> tuple[str, ...]:
    if method in LEVELS:
        return ("error",) if method == "exception" else (method,)
    level = call.args[0]
    if isinstance(level, ast.Name):
        level = dict(_assignments(scope)).get(level.id, level)
    choices = [level.body, level.orelse] if isinstance(level, ast.IfExp) else [level]
    if method != "log" or not all(isinstance(choice, ast.Attribute) for choice in choices):
        raise source.fault(call, "the level of a log line stands in the function that writes it")
    return tuple(choice.attr.lower() for choice in choices if isinstance(choice, ast.Attribute))


def _fields(source: Source, node: ast.expr, scope: Scope | None, *, is_optional: bool = False) -> Iterator[Field]:
    """The keys of a dictionary, wherever it is written: here, in the function around, or in one that is called."""
    match node:
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:
                    yield from _fields(source, value, scope, is_optional=is_optional)
                else:
                    yield Field(str(source.value(key, scope)), is_optional)
        case ast.BinOp(op=ast.BitOr()):
            for side in (node.left, node.right):
                yield from _fields(source, side, scope, is_optional=is_optional)
        case ast.Name():
            yield from _assigned_fields(source, node, scope, is_optional=is_optional)
        case ast.DictComp(generators=[ast.comprehension(iter=ast.Call(func=ast.Attribute(value=inner, attr="items")))]):
            yield from _fields(source, inner, scope, is_optional=is_optional or bool(node.generators[0].ifs))
        case ast.Call():
            where, function = _called(source, node)
            for returned in ast.walk(function):
                if isinstance(returned, ast.Return) and returned.value is not None:
                    yield from _fields(where, returned.value, function, is_optional=is_optional)
        case _:
            raise source.fault(node, "the fields of a log line do not stand in a dictionary of the source")


def _assigned_fields(source: Source, node: ast.Name, scope: Scope | None, *, is_optional: bool) -> Iterator[Field]:
    assigned = [value for name, value in _assignments(scope) if name == node.id]
    if not assigned:
        raise source.fault(node, f"`{node.id}` is no dictionary of this function")
    for value in assigned:
        yield from _fields(source, value, scope, is_optional=is_optional)


def _called(source: Source, call: ast.Call) -> tuple[Source, Scope]:
    """The function that is called, in this module or in one that it imports."""
    where, name = source, ast.unparse(call.func)
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        name = call.func.attr
        module = vars(importlib.import_module(source.name)).get(call.func.value.id)
        if isinstance(module, type(ast)):
            [where] = [each for each in sources(module.__name__.partition(".")[0]) if each.name == module.__name__]
    for node in ast.walk(where.tree):
        if isinstance(node, Scope) and node.name == name:
            return where, node
    raise source.fault(call, f"`{ast.unparse(call.func)}` is no function whose fields can be read")


def _calls(tree: ast.AST, scope: Scope | None = None) -> Iterator[tuple[ast.Call, Scope | None]]:
    """Every call, with the function around it."""
    for node in ast.iter_child_nodes(tree):
        inner = node if isinstance(node, Scope) else scope
        if isinstance(node, ast.Call):
            yield node, scope
        yield from _calls(node, inner)


def _assignments(scope: Scope | None) -> Iterator[tuple[str, ast.expr]]:
    """The names that a function gives, and what it gives them; of a pair, each by itself."""
    for node in ast.walk(scope) if scope else ():
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _pairs(target, node.value)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for each, part in zip(target.elts, value.elts, strict=False):
            yield from _pairs(each, part)
