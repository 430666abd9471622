"""`make services-up` gives the same servers with Docker and without, and the examples name them."""

import importlib.util
from pathlib import Path
from types import ModuleType

import yaml

ROOT = Path(__file__).parents[3]


def services() -> ModuleType:
    """scripts/services.py."""
    found = importlib.util.spec_from_file_location("services", ROOT / "scripts/services.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_docker_and_processes_have_the_same_port_database_and_password() -> None:
    here = services()
    server = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["postgresql"]
    assert server["ports"] == [f"127.0.0.1:{here.PORT}:5432"]
    names = ("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB")
    assert [server["environment"][name] for name in names] == [here.USER, here.PASSWORD, here.DATABASE]


def test_the_example_names_them() -> None:
    here = services()
    resource = yaml.safe_load((ROOT / "examples/postgresql.yaml").read_text())
    server = resource["spec"]["datastore"]["postgresql"]
    assert (server["port"], server["database"]) == (here.PORT, here.DATABASE)
    assert server["credentialsSecret"]["name"] in here.SECRETS
