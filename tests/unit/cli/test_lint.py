"""The examples are sound, and every invalid example is refused for the reason that it names."""

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead_cli import linting

EXAMPLES = Path(__file__).parents[3] / "examples"
INVALID = sorted((EXAMPLES / "invalid").iterdir())


def test_the_examples_are_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert linting.lint([str(EXAMPLES)], recursive=False, output="text") == 0
    assert "3 resources sound, 0 errors" in capsys.readouterr().out


def test_more_connections_than_postgresql_has_by_default_are_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "orders.yaml"
    lines = (EXAMPLES / "orders.yaml").read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if "pooler:" not in line))
    assert linting.lint([str(file)], recursive=False, output="text") == 0
    assert "warning: spec.datastore.postgresql.pool.max: up to 1848 connections" in capsys.readouterr().out


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
def test_an_invalid_example_is_refused_as_its_comment_expects(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = file.read_text().splitlines()[0].removeprefix("# expect: ")
    assert linting.lint([str(file)], recursive=False, output="text") == 1
    printed = capsys.readouterr().out
    assert expected in printed
    assert all(line.startswith(str(file)) for line in printed.splitlines()[:-1])


def test_findings_as_json_carry_their_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(EXAMPLES.joinpath("products.yaml").read_text().replace("datastore:", "datastor:"))
    assert linting.lint([str(file)], recursive=False, output="json") == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    (error,) = [finding for finding in found if finding["severity"] == "Error"]
    assert (error["file"], error["document"], error["subject"]) == (str(file), 1, "ApiService products")
    assert error["path"] == "spec.datastor"
    assert "datastore" in error["message"] + error["remedy"]


PRODUCTS = EXAMPLES.joinpath("products.yaml").read_text()
OTHER = PRODUCTS.replace("name: products", "name: others", 1)
UNREADABLE = "a: [\n"


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        (PRODUCTS, "1 resource sound, 0 errors"),
        (PRODUCTS.replace("datastore:", "datastor:"), "1 resource faulty, "),
        (PRODUCTS.replace("partition: id", "partition: ids"), "1 resource faulty, 1 error"),
        (PRODUCTS + "  no: 1\n", "1 resource faulty, "),
        (PRODUCTS + "---\n" + OTHER, "2 resources sound, 0 errors"),
        (PRODUCTS + "---\n" + OTHER.replace("partition: id", "partition: ids"), "1 resource sound, 1 resource faulty"),
        (PRODUCTS + "---\n" + PRODUCTS, "1 resource sound, 1 resource faulty, 1 error"),
        (UNREADABLE, "0 resources sound, 1 error"),
    ],
)
def test_the_summary_counts_a_resource_as_sound_or_as_faulty(
    text: str, summary: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    linting.lint([str(file)], recursive=False, output="text")
    assert capsys.readouterr().out.splitlines()[-1].startswith(summary)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ("security: {rateLimit: {requests: 1}}", "spec.security.rateLimit"),
        ("security: {authentication: {anonymous: Deny}}", "spec.security.authentication.anonymous"),
        ("grpc: {enabled: true}", "spec.grpc.enabled"),
    ],
)
def test_what_is_not_served_yet_is_a_warning(
    change: str, path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"{EXAMPLES.joinpath('products.yaml').read_text()}\n  {change}\n")
    assert linting.lint([str(file)], recursive=False, output="text") == 0
    assert f"warning: {path}: " in capsys.readouterr().out


def test_one_name_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = EXAMPLES.joinpath("products.yaml").read_text()
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(content)
    assert linting.lint([str(tmp_path)], recursive=False, output="text") == 1
    assert f"the same resource is in {tmp_path / 'a.yaml'}, document 1" in capsys.readouterr().out


def test_files_without_a_resource_of_ours_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    assert linting.lint([str(tmp_path)], recursive=False, output="text") == 1
    assert "no resource of fairlead.dev found; 1 documents of other kinds" in capsys.readouterr().out


def wide(path: Path, *, resources: int, text: str = "", note: str = "") -> Path:
    """A file with an ApiService of many resources of thirty properties, each described by `text`."""
    properties = {f"field{number}": {"type": "string", "description": text} for number in range(30)}
    schema = {"type": "object", "properties": properties | {"id": {"type": "string"}}}
    named = [{"name": f"r{number}", "key": {"partition": "id"}, "schema": schema} for number in range(resources)]
    metadata = {"name": "wide", "annotations": {"note": note}}
    header = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiService", "metadata": metadata}
    path.write_text(json.dumps(header | {"spec": {"api": {"resources": named}}}))
    return path


FITS, APPLY = "fit into a ConfigMap", "use kubectl apply --server-side"


@pytest.mark.parametrize(
    ("size", "code", "said", "unsaid"),
    [
        pytest.param({"resources": 2}, 0, [], [FITS, APPLY], id="small"),
        pytest.param(
            {"resources": 32, "text": "x" * 300}, 1, ["the OpenAPI document has ", FITS, APPLY], [], id="schemas"
        ),
        pytest.param({"resources": 2, "note": "x" * 150_000}, 0, [APPLY], [FITS], id="for client-side apply only"),
        pytest.param({"resources": 2, "note": "x" * 75_000}, 0, [], [FITS, APPLY], id="text"),
        pytest.param({"resources": 2, "note": "<" * 75_000}, 0, [APPLY], [FITS], id="text that kubectl escapes"),
    ],
)
def test_what_does_not_fit_on_a_cluster_is_reported_by_its_name(
    size: dict[str, Any],
    code: int,
    said: list[str],
    unsaid: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert linting.lint([str(wide(tmp_path / "a.yaml", **size))], recursive=False, output="text") == code
    printed = capsys.readouterr().out
    assert all(each in printed for each in said)
    assert not any(each in printed for each in unsaid)
    assert printed.splitlines()[-1].startswith("1 resource faulty, 1 error" if code else "1 resource sound, 0 errors")
