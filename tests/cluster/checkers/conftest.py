"""The checkers, and the server's own schemas for one of them."""

import os
import shutil
from pathlib import Path

import pytest

from ..charts.conftest import checkers
from ..charts.schemas import write
from ..client import Client

__all__ = ["checkers"]


@pytest.fixture(scope="module")
def schemas(admin: Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where kubeconform finds what the test server publishes, the kinds of others and ours among it."""
    return write(admin, tmp_path_factory.mktemp("schemas"))


@pytest.fixture(scope="session")
def uv() -> str:
    """The uv that runs checkov apart from everything else: its hundred packages are none of ours."""
    cache = Path(os.environ.get("FAIRLEAD_CACHE") or Path.home() / ".cache" / "fairlead")
    found = os.environ.get("UV") or shutil.which("uv") or shutil.which(cache / "uv" / "bin" / "uv")
    if found is None:
        raise RuntimeError("uv is missing; `make setup` gets it, or set UV to its path")
    return found
