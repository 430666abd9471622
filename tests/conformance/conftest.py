"""The end of the output says which adapters passed how many cases, so that one that was left out is missed."""

from collections import Counter
from typing import Any

import pytest
from tests.summary import LINES

from .cache_capabilities import CacheRow
from .queue_capabilities import QueueRow
from .store_capabilities import StoreRow

KINDS: dict[type, str] = {StoreRow: "stores", QueueRow: "queues", CacheRow: "caches"}
PASSED = pytest.StashKey[Counter[tuple[str, str]]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call" and report.passed:
        passed = item.config.stash.setdefault(PASSED, Counter())
        callspec = getattr(item, "callspec", None)
        for value in () if callspec is None else callspec.params.values():
            if type(value) in KINDS:
                passed[KINDS[type(value)], value.name] += 1
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    passed = session.config.stash.get(PASSED, Counter())
    for kind in KINDS.values():
        names = [f"{name} {count}" for (of, name), count in sorted(passed.items()) if of == kind]
        if names:
            session.config.stash[LINES].append(f"{kind} that passed, with their cases: {', '.join(names)}")
