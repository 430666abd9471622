"""Metrics and log lines are found in the sources with all that is said of them; what cannot be listed is an error."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fairlead_operator.controller.metrics import Metrics

ROOT = Path(__file__).parents[3]
HEAD = """
import logging
from prometheus_client.core import CounterMetricFamily

LABELS = ("kind",)
MOST = 7
log = logging.getLogger(__name__)

"""


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("catalogue")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A package whose one module is the parameter, with `HEAD` before it."""
    name = f"listed_{abs(hash(request.node.name))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / name / "module.py").write_text(HEAD + request.param)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def listed(*modules: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("package", modules, indirect=True)


@listed('def f(): return CounterMetricFamily("things", f"At most {MOST}.", labels=LABELS)')
def test_a_metric_has_the_name_that_prometheus_shows_and_what_constants_mean(
    catalogue: ModuleType, package: str
) -> None:
    assert catalogue.metrics(package) == [catalogue.Metric("things_total", "counter", ("kind",), "At most 7.")]


@listed(
    'def f(a):\n    facts = {"a": a} | _more(a)\n    log.warning("it failed", extra=facts)\n\n'
    'def _more(b):\n    known = {"b": b}\n    return {**{n: v for n, v in known.items() if v}, "c": 1}\n'
)
def test_fields_are_followed_through_names_and_functions(catalogue: ModuleType, package: str) -> None:
    [event] = catalogue.log_events(package)
    assert (event.message, event.levels, event.trace) == ("it failed", ("warning",), False)
    assert event.fields == (catalogue.Field("a"), catalogue.Field("b", is_optional=True), catalogue.Field("c"))


@listed(
    'def f(ok):\n    level = logging.INFO if ok else logging.ERROR\n    log.log(level, "done")\n',
    'def f(ok):\n    log.log(logging.INFO if ok else logging.ERROR, "done")\n',
)
def test_a_level_that_the_outcome_decides_is_both(catalogue: ModuleType, package: str) -> None:
    assert catalogue.log_events(package)[0].levels == ("info", "error")


@listed('def f():\n    log.exception("broken")\n', 'def f(e):\n    log.error("broken", exc_info=e)\n')
def test_a_line_with_a_trace_is_an_error(catalogue: ModuleType, package: str) -> None:
    [event] = catalogue.log_events(package)
    assert (event.levels, event.trace) == (("error",), True)


@listed(
    'def f(e):\n    log.info(f"failed: {e}")\n',
    'def f(e):\n    log.info("failed: %s", e)\n',
    'def f(e):\n    log.info("failed", extra=e)\n',
    'def f(e):\n    log.info("failed", extra=e.facts)\n',
    'def f(e):\n    log.info("failed", extra=e.model_dump())\n',
    'def f(level):\n    log.log(level, "failed")\n',
)
def test_a_line_that_cannot_be_listed_is_named(catalogue: ModuleType, package: str) -> None:
    with pytest.raises(catalogue.Unlistable, match=rf"^{package}/module.py, line \d+: "):
        catalogue.log_events(package)


@listed('def f(name): return CounterMetricFamily(name, "Things.")')
def test_a_metric_that_cannot_be_listed_is_named(catalogue: ModuleType, package: str) -> None:
    with pytest.raises(catalogue.Unlistable, match=rf"^{package}/module.py, line \d+: "):
        catalogue.metrics(package)


def test_the_operators_metrics_are_those_that_it_shows(catalogue: ModuleType) -> None:
    metrics = Metrics(workers=1, clock=lambda: 0.0)
    metrics.depth(lambda: 0)
    metrics.leading(lambda: True, lease="fairlead")
    metrics.heard(lambda: {"ApiService": 0.0})
    metrics.answered("GET", "/", 200)
    metrics.added()
    metrics.started("x", waited_seconds=0)
    metrics.finished("x", result="error")
    shown = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        if family.name.endswith("_created"):  # of prometheus_client
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        shown[name] = (family.type, labels, family.documentation)
    found = {each.name: (each.type, set(each.labels), each.help) for each in catalogue.metrics("fairlead_operator")}
    assert shown == found


def test_no_message_of_a_log_line_means_two_things(catalogue: ModuleType) -> None:
    for name in ("fairlead_workload", "fairlead_operator"):
        said: dict[str, tuple[object, ...]] = {}
        for event in catalogue.log_events(name):
            assert said.setdefault(event.message, event.fields) == event.fields, event.message


def test_every_alert_is_of_metrics_that_the_page_has() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    named = set(
        re.findall(
            r"\b(?:fairlead|http_server|controller_runtime|workqueue)_\w+", (ROOT / "docs" / "alerts.md").read_text()
        )
    )
    bare = {re.sub(r"_(count|bucket|sum)$", "", name) for name in named}
    assert {name for name in bare if f"`{name}`" not in page} == set()
