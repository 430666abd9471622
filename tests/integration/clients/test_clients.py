"""Clients that others' programs make of our OpenAPI documents: made without a complaint, compiled, and at work.

Python by openapi-python-client, Go and TypeScript by openapi-generator: of the examples, and of a service with whatever
such programs have been seen to stumble over. The client of that one drives a running service.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.process.server import EXAMPLES, running
from tests.left_out import is_left_out

from fairlead_cli.input import checking, documents
from fairlead_cli.run import embedded
from fairlead_contract.openapi.document import openapi

from . import tools
from .tools import HERE, run

pytestmark = [
    pytest.mark.skipif(is_left_out("clients"), reason="FAIRLEAD_SKIP names clients"),
    pytest.mark.xdist_group("clients"),
    pytest.mark.timeout(1200),  # the first time, compilers are fetched and build their libraries
]
SERVICES = {
    "catalog": HERE / "catalog.yaml",
    "orders": EXAMPLES / "orders.yaml",
    "products": EXAMPLES / "products.yaml",
}
GENERATORS = {"go": "go", "typescript": "typescript-fetch"}
ONLY_CODE = {"apiDocs": False, "modelDocs": False, "apiTests": False, "modelTests": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the OpenAPI document of each service."""
    folder = tmp_path_factory.mktemp("clients")
    for name, file in SERVICES.items():
        ((_, resource),) = checking.check(documents.load([str(file)])).services
        (folder / f"{name}.json").write_text(json.dumps(openapi(embedded.embed(resource))))
    return folder


@pytest.fixture(scope="module")
def generated(folder: Path) -> Path:
    """The clients in Go and TypeScript of each service, LANGUAGE/SERVICE, made in one run: a start takes longest."""
    files = []
    for language, generator in GENERATORS.items():
        for name in SERVICES:
            files.append(folder / f"{language}-{name}.json")
            options = {
                "generatorName": generator,
                "inputSpec": str(folder / f"{name}.json"),
                "outputDir": str(folder / language / name),
                "additionalProperties": {"packageName": name, "withGoMod": False},
                "globalProperties": ONLY_CODE,
            }
            files[-1].write_text(json.dumps(options))
    printed = run(*tools.openapi_generator(), "batch", "--threads", "1", "--fail-fast", *files, cwd=folder)
    complaints = [line for line in printed.splitlines() if "ERROR" in line or "Exception" in line]
    assert complaints == []
    return folder


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running catalog."""
    with running(SERVICES["catalog"], tmp_path_factory.mktemp("catalog") / "data") as server:
        yield server.url


def test_python(folder: Path, url: str) -> None:
    python, made = tools.python(), folder / "python"
    made.mkdir()
    config = folder / "config.json"
    config.write_text(json.dumps({"post_hooks": []}))
    for name in SERVICES:
        command = ("generate", "--path", folder / f"{name}.json", "--output-path", made / name, "--meta", "none")
        run(python, "-m", "openapi_python_client", *command, "--config", config, "--fail-on-warning", cwd=folder)
        run(python, "-c", f"from {name}.models import *; from {name} import api", cwd=made)
    run(python, "-W", "error", "-m", "compileall", "-q", made, cwd=made)
    assert "driven" in run(python, HERE / "drive.py", url, cwd=made, PYTHONPATH=str(made))


def test_go(generated: Path, url: str) -> None:
    made = generated / "go"
    (made / "go.mod").write_text("module clients\n\ngo 1.18\n")
    shutil.copy(HERE / "drive.go", made)
    run("go", "build", "./...", cwd=made, GOFLAGS="-mod=mod", GOPROXY="off")
    run("go", "build", "-o", "drive", ".", cwd=made, GOFLAGS="-mod=mod", GOPROXY="off")
    assert "driven" in run(made / "drive", url, cwd=made)


def test_typescript(generated: Path, url: str) -> None:
    made = generated / "typescript"
    shutil.copy(HERE / "drive.ts", made)
    options = ("--strict", "--target", "es2022", "--module", "commonjs", "--lib", "es2022,dom", "--outDir", "built")
    run(tools.tsc(), *options, "drive.ts", *(f"{name}/index.ts" for name in SERVICES), cwd=made)
    assert "driven" in run("node", "built/drive.js", url, cwd=made)
