"""schemathesis against running services: the API does what its OpenAPI document says, whatever it is sent."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from .payments import example_payments
from .server import EXAMPLES, ROOT, running

EXAMPLES_PER_OPERATION = 25
BOUND_SECONDS = 600  # for a loaded machine; a quiet one takes a twentieth of it


@pytest.mark.parametrize("name", ["orders", "products"])
def test_the_api_does_what_its_document_says(name: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        arguments = ["--service", f"payments={stack.enter_context(example_payments())}"] if name == "orders" else []
        server = stack.enter_context(running(EXAMPLES / f"{name}.yaml", tmp_path / "data", *arguments))
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--no-color"]
        command += ["--max-examples", str(EXAMPLES_PER_OPERATION)]
        command += ["--generation-deterministic"] if "CI" in os.environ else ["--generation-database", "none"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=BOUND_SECONDS)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{server.err}"
        assert "No issues found" in done.stdout or " passed" in done.stdout
        assert "Traceback" not in server.err
        assert server.stop() == 0
