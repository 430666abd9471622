"""What the chart's notes and docs/install.md give as commands, run in a shell with a real kubectl."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from ..client import Client, Manifest
from ..controlplane import ADMINS, Cluster
from ..identity import LEASE_NAME
from ..operator.harness import Running, example, info, settings
from ..simulator import Simulator
from ..waiting import eventually
from .helm import OPERATOR, ROOT, Helm
from .resources import named

INSTALL = ROOT / "docs" / "install.md"
FIRST = re.compile(r"^kubectl .*?--timeout=5m$", re.MULTILINE | re.DOTALL)
HEREDOC = re.compile(r"-f - <<'EOF'\n(.*?)\nEOF\n", re.DOTALL)


@pytest.fixture
def shop(admin: Client, cluster: Cluster) -> Iterator[str]:
    """A name for a namespace that is not there yet; pods in it become ready, and Jobs succeed."""
    name = named("shop")
    with Client(cluster.kubeconfig("admin", groups=ADMINS)) as client:
        simulator = Simulator(client, name)
        simulator.start()
        yield name
        simulator.stop()
    admin.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def test_the_notes_lead_to_a_first_api(
    shell: Callable[[str], subprocess.CompletedProcess[str]],
    system: str,
    shop: str,
    install: Callable[..., str],
    account: Callable[[str], Path],
) -> None:
    [typed] = FIRST.findall(install().partition("NOTES:")[2])
    config = account(shop)
    operator = Running(settings("", lease_namespace=system, lease_name=LEASE_NAME), lambda: info(config))
    operator.start()
    try:
        done = shell(typed.replace(" shop", f" {shop}"))
    finally:
        operator.stop()
    assert done.returncode == 0, done.stderr
    assert "apiservice.fairlead.dev/products condition met" in done.stdout


def notes(helm: Helm, *values: str) -> str:
    sets = [part for value in values for part in ("--set", value)]
    said = helm.run("install", "fairlead", str(OPERATOR), "--dry-run=client", "--namespace", "apart", *sets)
    return said.partition("NOTES:")[2]


def test_the_notes_and_the_docs_say_the_same(helm: Helm) -> None:
    [typed] = FIRST.findall(notes(helm))
    [manifest] = HEREDOC.findall(typed)
    written = "examples/products.yaml"
    assert yaml.safe_load(manifest) == yaml.safe_load((ROOT / written).read_text())
    assert HEREDOC.sub(f"-f {written}\n", typed) in INSTALL.read_text()


def test_the_notes_of_an_operator_of_one_namespace_lead_there(helm: Helm) -> None:
    [typed] = FIRST.findall(notes(helm, "watchNamespaces={team}"))
    assert "create namespace" not in typed
    assert set(re.findall(r"kubectl -n (\S+)", typed)) == {"team"}


def block(heading: str, text: str) -> str:
    """The lines of code below a heading of docs/install.md that have the text in them."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", INSTALL.read_text(), re.MULTILINE | re.DOTALL)
    [found] = [each for each in re.findall(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL) if text in each]
    return str(found)


def test_what_the_docs_say_of_null_and_of_numbers_is_so(
    shell: Callable[[str], subprocess.CompletedProcess[str]], namespace: str, tmp_path: Path
) -> None:
    def tried(how: str, **spec: object) -> subprocess.CompletedProcess[str]:
        manifest = yaml.safe_load((ROOT / "examples" / "products.yaml").read_text())
        manifest["spec"] |= spec
        (tmp_path / "tried.yaml").write_text(yaml.safe_dump(manifest))
        return shell(f"kubectl -n {namespace} apply {how} --dry-run=server -f {tmp_path}/tried.yaml")

    def cpu(value: object) -> dict[str, object]:
        return {"compute": {"api": {"requests": {"cpu": value}}}}

    docs = INSTALL.read_text()
    for how, spec, message in (
        ("--server-side", {"queue": None}, 'Invalid value: "null"'),
        ("--server-side", cpu(1), "expected string"),
        ("", cpu(1), "must be of type string"),
    ):
        assert message in tried(how, **spec).stderr
        assert f"`{message}`" in docs
    for how, spec in (("", {"queue": None}), ("", cpu("1")), ("--server-side", cpu("1")), ("", cpu("500m"))):
        done = tried(how, **spec)
        assert done.returncode == 0, done.stderr


def test_a_finalizer_that_an_operator_left_behind_is_taken_off(
    shell: Callable[[str], subprocess.CompletedProcess[str]],
    admin: Client,
    namespace: str,
    install: Callable[..., str],
) -> None:
    install()
    resource: Manifest = example(namespace, deletionPolicy="Delete")
    resource["metadata"]["finalizers"] = ["fairlead.dev/teardown"]
    admin.create(resource)
    left = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "left", "namespace": namespace}}
    left["metadata"]["labels"] = {"fairlead.dev/apisvc": "orders"}
    admin.create(left)
    admin.delete(resource)
    assert admin.get(resource)
    done = shell(block("Uninstall", "finalizers").replace("NAMESPACE", namespace).replace("NAME", "orders"))
    assert done.returncode == 0, done.stderr
    eventually(lambda: admin.get(resource) is None and admin.get(left) is None, what="something is left")
