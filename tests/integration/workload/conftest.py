"""A folder for the workloads of a test; whatever still runs at its end is killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.workload.container import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.clear()
