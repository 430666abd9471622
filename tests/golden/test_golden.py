"""Golden files: what is generated from the examples. Refresh them with `make golden` and read the difference."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_golden_files_are_fresh() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / "golden.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_orders_example_accepts_its_writes() -> None:
    document = json.loads((ROOT / "tests" / "golden" / "openapi" / "orders.json").read_text())
    assert "202" in document["paths"]["/v1/orders"]["post"]["responses"]
    assert "201" in document["paths"]["/v1/products"]["post"]["responses"]
