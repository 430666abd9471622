"""`fairlead render`: what is printed, in which order, and what is reported beside it."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from fairlead_cli import rendering
from fairlead_cli.__main__ import app
from fairlead_operator.plan import Capabilities

from ... import kubectl_yaml

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
GOLDEN = ROOT / "tests" / "golden" / "plan"
CLASS = (
    "{apiVersion: fairlead.dev/v1alpha1, kind: ApiServiceClass, metadata: {name: %s}, spec: {limits: {queues: []}}}\n"
)


def render(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    done = CliRunner().invoke(app, ["render", *(str(each) for each in arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_the_example_is_printed_in_the_order_of_applying() -> None:
    code, out, error = render("-f", EXAMPLES / "orders.yaml")
    assert code == 0
    printed = [document["kind"] for document in yaml.safe_load_all(out)]
    order = [
        "ServiceAccount",
        "Job",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Service",
        "ServiceMonitor",
        "PodMonitor",
    ]
    assert [printed.index(kind) for kind in order] == sorted(printed.index(kind) for kind in order)
    assert "KEDA is not installed" in error


def test_what_is_printed_has_no_anchors_and_no_owner() -> None:
    full, everything = GOLDEN / "full", "prometheus,keda,gateway,cert-manager"
    _, out, _ = render("-f", full / "resource.yaml", "--class", full / "class.yaml", "--capabilities", everything)
    assert "&id" not in out
    assert "ownerReferences" not in out
    assert {"ScaledObject", "HTTPRoute", "Certificate"} <= {each["kind"] for each in yaml.safe_load_all(out)}


@pytest.mark.parametrize("namespace", ["1e3", "20261130", "0x1f", "0o17", "0b1", "2026-11-30", "null", "y", "off"])
def test_a_name_is_a_name_to_every_reader(tmp_path: Path, namespace: str) -> None:
    resource = yaml.safe_load((GOLDEN / "minimal" / "resource.yaml").read_text())
    resource["metadata"] = {"name": "y", "namespace": namespace}
    (tmp_path / "resource.json").write_text(json.dumps(resource))
    _, out, _ = render("-f", tmp_path / "resource.json")
    found = kubectl_yaml.load_all(out)
    assert found == list(yaml.safe_load_all(out))
    for each in found:
        assert each["metadata"]["namespace"] == namespace
        assert each["metadata"]["labels"]["fairlead.dev/apisvc"] == "y"


def test_what_nothing_serves_yet_is_rendered_all_the_same() -> None:
    code, _, _ = render("-f", GOLDEN / "grpc" / "resource.yaml")
    assert code == 0


def test_two_services_come_one_after_the_other() -> None:
    code, out, _ = render("-f", EXAMPLES / "orders.yaml", "-f", EXAMPLES / "products.yaml")
    assert code == 0
    names = [each["metadata"]["name"] for each in yaml.safe_load_all(out)]
    assert len([name for name in names if name.endswith("-contract")]) == 2


def test_an_image_may_be_given() -> None:
    _, out, _ = render("-f", EXAMPLES / "products.yaml", "--image", "registry.example.com/x:1")
    assert "image: registry.example.com/x:1" in out


def test_a_class_is_used_and_its_limits_are_kept(tmp_path: Path) -> None:
    strict = tmp_path / "class.yaml"
    strict.write_text(CLASS % "strict")
    code, out, error = render("-f", EXAMPLES / "orders.yaml", "--class", strict)
    assert (code, out) == (1, "")
    assert "(ApiService orders): spec.queue.type: the class does not allow queue type SQS; use none" in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        (CLASS % "a" + "---\n" + CLASS % "b", "2 ApiServiceClass in this file; name a file with exactly one"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", "no ApiServiceClass in this file"),
    ],
)
def test_a_class_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "class.yaml"
    file.write_text(text)
    code, out, error = render("-f", EXAMPLES / "orders.yaml", "--class", file)
    assert (code, out) == (1, "")
    assert message in error


@pytest.mark.parametrize("file", sorted((EXAMPLES / "invalid").iterdir()), ids=lambda file: file.stem)
def test_a_faulty_resource_is_reported_as_lint_reports_it(file: Path) -> None:
    code, out, error = render("-f", file)
    assert (code, out) == (1, "")
    assert file.read_text().splitlines()[0].removeprefix("# expect: ") in error


def test_a_file_without_an_api_service_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")
    code, _, error = render("-f", file)
    assert code == 1
    assert "no ApiService found" in error


def test_an_unknown_capability_is_a_usage_error() -> None:
    code, _, error = render("-f", EXAMPLES / "orders.yaml", "--capabilities", "istio")
    assert code == 2
    assert "'istio' is none of prometheus, keda, gateway, cert-manager" in error.replace("\n", " ")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", rendering.NOTHING),
        (" prometheus ", rendering.USUAL),
        ("keda,cert-manager", Capabilities(prometheus=False, keda=True, gateway=False, cert_manager=True)),
    ],
)
def test_capabilities_are_named_in_a_list(text: str, found: Capabilities) -> None:
    assert rendering.capabilities(text) == found
