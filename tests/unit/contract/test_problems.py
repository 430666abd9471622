"""The table of problem types says what the workload raises, and docs/problems.md says what the table says."""

import ast
import inspect
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import fairlead_workload
from fairlead_contract.problems import BY_SLUG, PROBLEMS, TYPE_BASE, markdown
from fairlead_workload.errors import Problem
from fairlead_workload.model import problems as model

SAMPLES: dict[Any, Any] = {str: "text", int: 1}


def raised() -> list[Problem]:
    """One problem of every function of the model."""
    made = []
    for function in vars(model).values():
        if inspect.isfunction(function) and get_type_hints(function).get("return") is Problem:
            hints = get_type_hints(function)
            needed = [
                name
                for name, parameter in inspect.signature(function).parameters.items()
                if parameter.default is parameter.empty
            ]
            made.append(function(*[SAMPLES.get(hints[name], ()) for name in needed]))
    return made


@pytest.mark.parametrize("problem", raised(), ids=lambda problem: problem.type)
def test_the_table_describes_what_is_raised(problem: Problem) -> None:
    described = BY_SLUG[problem.type]
    assert (described.status, described.title) == (problem.status, problem.title)
    sent = {name for name, _ in problem.headers}
    always = {name.lower() for name in described.headers}
    assert sent - always <= {name.lower() for name in described.alternatives}
    assert always <= sent
    assert len(sent - always) == bool(described.alternatives)


def test_the_table_describes_nothing_else() -> None:
    assert [problem.slug for problem in PROBLEMS] == list(BY_SLUG)
    assert set(BY_SLUG) == {problem.type for problem in raised()}
    assert TYPE_BASE == model.TYPE_BASE


def test_problems_are_made_in_one_place() -> None:
    root = Path(fairlead_workload.__file__).parent
    makers = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem"
    }
    assert makers == {"model/problems.py"}


def test_the_page_is_fresh() -> None:
    page = Path(__file__).parents[3] / "docs" / "problems.md"
    assert page.read_text() == markdown(), "run `make golden`"
