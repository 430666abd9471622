"""The dashboards hold nothing but what Grafana's own types know, so none of it is dropped when Grafana loads them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from .helm import OPERATOR

PATHS = sorted((OPERATOR / "files" / "dashboards").glob("*.json"))


@pytest.fixture(scope="module", autouse=True)
def panels() -> None:
    """Have the types of queries and panels known."""
    register_default_plugins()


def dropped(given: Any, kept: Any, path: str = "$") -> Iterator[str]:
    """The paths of `given` that are absent from `kept`, or other there."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            yield from dropped(value, kept.get(key), f"{path}.{key}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, value in enumerate(given):
            yield from dropped(value, kept[number], f"{path}[{number}]")
    elif given != kept:
        yield path


def loaded(given: dict[str, Any]) -> Any:
    return json.loads(json.dumps(Dashboard.from_json(given), cls=JSONEncoder))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_grafana_drops_nothing_of_a_dashboard(path: Path) -> None:
    given = json.loads(path.read_text())
    assert given["panels"]
    assert list(dropped(given, loaded(given))) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"gridpos": {"h": 8}}, "$.panels[0].gridpos"),
        ({"fieldConfig": {"defaults": {"unitt": "s"}, "overrides": []}}, "$.panels[0].fieldConfig"),
    ],
)
def test_what_grafana_does_not_know_is_found(change: dict[str, Any], where: str) -> None:
    given = json.loads(PATHS[0].read_text())
    given["panels"][0] |= change
    assert where in list(dropped(given, loaded(given)))
