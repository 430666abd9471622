"""How long a process may drain: for what its roles have begun, and no longer."""

from pathlib import Path
from typing import Any

import pytest
from tests.integration.workload.documents import PRODUCTS, runtime

from fairlead_contract.runtime import RuntimeDocument
from fairlead_workload.adapters import Surroundings
from fairlead_workload.service import COMMIT_SECONDS, EVERYTHING, Role, Workload

API, WORKER = frozenset({Role.API}), frozenset({Role.WORKER})
SYNC = {"resources": [{name: value for name, value in PRODUCTS.items() if name != "writes"}]}
CASES: dict[str, tuple[dict[str, Any], frozenset[Role], float]] = {
    "an API waits for its requests": ({"worker": {"timeout": "5m"}}, API, 30),
    "a worker waits for its handler": ({"worker": {"timeout": "5m"}}, WORKER, 300),
    "a quick handler is not waited for longer": ({"worker": {"timeout": "5s"}}, WORKER, 5),
    "both wait for the longer one": ({"worker": {"timeout": "5m"}}, EVERYTHING, 300),
    "without a queue there is no handler": ({"queue": None, "worker": None, "api": SYNC}, EVERYTHING, 30),
}


@pytest.mark.parametrize(("spec", "roles", "expected_seconds"), CASES.values(), ids=CASES)
def test_the_grace_period_suits_the_role(spec: dict[str, Any], roles: frozenset[Role], expected_seconds: float) -> None:
    document = RuntimeDocument.model_validate(runtime(**spec))
    workload = Workload(document, Surroundings(Path()), port=0, admin_port=0, roles=roles)
    assert workload.grace_seconds == expected_seconds + COMMIT_SECONDS
