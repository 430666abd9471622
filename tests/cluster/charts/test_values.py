"""Whatever release, namespace and values a chart is given: it renders what was meant, or says what to give instead."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ... import kubectl_yaml
from ..client import Manifest
from .helm import DEFINITIONS, OPERATOR, VALUES, Helm, HelmError

EVERYTHING = VALUES / "everything.yaml"
CHARTS_AND_VALUES = [
    (OPERATOR, VALUES / "default.yaml"),
    (OPERATOR, EVERYTHING),
    (OPERATOR, VALUES / "namespaced.yaml"),
    (DEFINITIONS, None),
]
# Texts that are something else than text to one reader of YAML or the other, as far as Helm and Kubernetes take them.
AMBIGUOUS = [
    *("20261130", "1e3", "0x1f", "0o17", "0b1", "007", "2026-11-30", "null", "true", "no", "on", "y", "off"),
    "1.5",
    "1.2e3",
]
NAMESPACES = [text for text in AMBIGUOUS if "." not in text]
MAPS_OF_THE_USER = {"resources.requests", "resources.limits", "dashboards.labels"}

every_chart = pytest.mark.parametrize(
    ("chart", "values"), CHARTS_AND_VALUES, ids=["default", "everything", "namespaced", "definitions"]
)


def renamed(content: Any, names: dict[str, str]) -> Any:
    """`content` with each text that is a name, or has one in it, changed."""
    if isinstance(content, dict):
        return {key: renamed(value, names) for key, value in content.items()}
    if isinstance(content, list):
        return [renamed(value, names) for value in content]
    if isinstance(content, str):
        for before, after in names.items():
            content = content.replace(before, after)
    return content


@every_chart
def test_no_release_or_namespace_is_taken_for_anything_but_its_name(
    helm: Helm, chart: Path, values: Path | None
) -> None:
    settings = [] if chart is DEFINITIONS else ["fullnameOverride=fairlead"]
    files = [values] if values else []
    plain = helm.manifests(chart, values=files, settings=settings, release="arelease", namespace="anamespace")
    for release, namespace in zip(AMBIGUOUS, [*NAMESPACES, *NAMESPACES], strict=False):
        text = helm.template(chart, values=files, settings=settings, release=release, namespace=namespace)
        wanted = renamed(plain, {"arelease": release, "anamespace": namespace})
        assert [each for each in yaml.safe_load_all(text) if each] == wanted
        assert kubectl_yaml.load_all(text) == wanted


VALUES_THAT_ARE_TEXT = [
    "fullnameOverride",
    "serviceAccount.name",
    "priorityClassName",
    "watchNamespaces[0]",
    "defaultClass.name",
    "podLabels.team",
    "podAnnotations.team",
    "nodeSelector.team",
    "image.tag",
    "metrics.serviceMonitor.labels.release",
    "metrics.prometheusRule.labels.release",
    "dashboards.labels.release",
]


BEGINS_WITH_A_LETTER = {"fullnameOverride", "defaultClass.name"}


@pytest.mark.parametrize("name", VALUES_THAT_ARE_TEXT)
def test_no_value_is_taken_for_anything_but_its_text(helm: Helm, name: str, tmp_path: Path) -> None:
    def rendered(word: str) -> str:
        return helm.run(
            "template", "fairlead", str(OPERATOR), "--values", str(EVERYTHING), "--set-string", f"{name}={word}"
        )

    plain = [each for each in yaml.safe_load_all(rendered("aword")) if each]
    for word in ("null", "true", "y") if name in BEGINS_WITH_A_LETTER else ("1e3", "0x1f", "y"):
        wanted = without_checksums(renamed(plain, {"aword": word}))
        text = rendered(word)
        assert without_checksums([each for each in yaml.safe_load_all(text) if each]) == wanted
        assert without_checksums(kubectl_yaml.load_all(text)) == wanted


def without_checksums(content: Any) -> Any:
    return json.loads(re.sub(r'"checksum/class": "\w+"', '"checksum/class": ""', json.dumps(content)))


@pytest.mark.parametrize("release", ["20261130", "1e3", "team.fairlead", "0fairlead"])
def test_names_that_a_service_cannot_have_are_refused_with_the_way_out(helm: Helm, release: str) -> None:
    with pytest.raises(HelmError, match=r"before Kubernetes 1\.36; set fullnameOverride"):
        helm.template(OPERATOR, release=release)
    [service] = [
        each
        for each in helm.manifests(OPERATOR, release=release, settings=["fullnameOverride=fairlead"])
        if each["kind"] == "Service"
    ]
    assert service["metadata"]["name"] == "fairlead-metrics"


@pytest.mark.parametrize(
    "setting", ["fullnameOverride=1e3", "fullnameOverride=Fairlead", "nameOverride=Fair_lead", "defaultClass.name=1e3"]
)
def test_names_that_nothing_can_have_are_refused(helm: Helm, setting: str) -> None:
    with pytest.raises(HelmError, match=setting.partition("=")[0].replace(".", "/")):
        helm.template(OPERATOR, settings=[setting])


def test_a_long_release_name_is_cut_where_a_name_may_end(helm: Helm) -> None:
    release = "a" * 44 + "--" + "b" * 7
    names = {each["metadata"]["name"] for each in helm.manifests(OPERATOR, release=release)}
    assert "a" * 44 in names


def leaves(values: dict[str, Any], place: str = "") -> Iterator[str]:
    """Every value that may be blank, maps of them too. Not what is the user's own, where a blank takes out."""
    for name, value in values.items():
        path = f"{place}.{name}" if place else name
        yield path
        if isinstance(value, dict) and path not in MAPS_OF_THE_USER:
            yield from leaves(value, path)


def blanks() -> list[Any]:
    found = []
    for chart in (OPERATOR, DEFINITIONS):
        values = yaml.safe_load((chart / "values.yaml").read_text())
        found += [pytest.param(chart, path, id=f"{chart.name} {path}") for path in leaves(values)]
    return found


@pytest.fixture(scope="module")
def usual(helm: Helm) -> dict[Path, list[Manifest]]:
    """What the charts render to with their defaults."""
    return {chart: helm.manifests(chart) for chart in (OPERATOR, DEFINITIONS)}


@pytest.mark.thorough
@pytest.mark.parametrize(("chart", "path"), blanks())
def test_a_blank_value_has_its_default(helm: Helm, usual: dict[Path, list[Manifest]], chart: Path, path: str) -> None:
    assert helm.manifests(chart, settings=[f"{path}=null"]) == usual[chart]


@pytest.mark.parametrize("chart", [OPERATOR, DEFINITIONS], ids=lambda chart: chart.name)
def test_with_every_value_blank_all_have_their_defaults(
    helm: Helm, usual: dict[Path, list[Manifest]], chart: Path
) -> None:
    every = yaml.safe_load((chart / "values.yaml").read_text())
    assert helm.manifests(chart, settings=[f"{name}=null" for name in every]) == usual[chart]


WITHOUT_A_DEFAULT = {
    "a part of the class": (OPERATOR, "defaultClass.spec.limits"),
    "a list of the class": (OPERATOR, "defaultClass.spec.runtime.pullSecrets"),
    "a label of the pods": (OPERATOR, "podLabels.team"),
    "an annotation": (OPERATOR, "serviceAccount.annotations.team"),
    "a node's label": (OPERATOR, "nodeSelector.disk"),
    "a kind of affinity": (OPERATOR, "affinity.nodeAffinity"),
    "a label of definitions": (DEFINITIONS, "labels.team"),
    "an annotation of definitions": (DEFINITIONS, "annotations.team"),
    "what is shared by charts": (OPERATOR, "global"),
    "what is shared by charts, of definitions": (DEFINITIONS, "global"),
    "a condition": (OPERATOR, "enabled"),
    "a condition of definitions": (DEFINITIONS, "enabled"),
}


@pytest.mark.parametrize(("chart", "path"), WITHOUT_A_DEFAULT.values(), ids=WITHOUT_A_DEFAULT)
def test_a_blank_value_without_a_default_is_not_there(
    helm: Helm, usual: dict[Path, list[Manifest]], umbrella: Path, chart: Path, path: str
) -> None:
    found = helm.manifests(chart, settings=[f"{path}=null"])
    if path.startswith("defaultClass"):
        [spec] = [each["spec"] for each in found if each["kind"] == "ApiServiceClass"]
        assert spec in ({"isDefault": True}, {"isDefault": True, "runtime": {}})
    else:
        assert found == usual[chart]
    assert helm.manifests(umbrella, settings=[f"{chart.name}.{path}=null"])


def test_a_blank_takes_out_what_is_the_users_own(helm: Helm) -> None:
    settings = ["resources.limits.cpu=null", "dashboards.enabled=true", "dashboards.labels.grafana_dashboard=null"]
    found = {each["kind"]: each for each in helm.manifests(OPERATOR, settings=settings)}
    [container] = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert set(container["resources"]["limits"]) == {"memory", "ephemeral-storage"}
    assert "grafana_dashboard" not in found["ConfigMap"]["metadata"]["labels"]


def test_the_values_of_the_notes_may_be_blank(helm: Helm) -> None:
    every = yaml.safe_load((OPERATOR / "values.yaml").read_text())
    blank = [part for name in every for part in ("--set", f"{name}=null")]
    said = [
        helm.run("install", "fairlead", str(OPERATOR), "--dry-run=client", "--namespace", "apart", *given)
        for given in ([], blank)
    ]
    notes = [text.partition("NOTES:")[2] for text in said]
    assert notes[0] == notes[1] != ""


LABELS = {
    "podLabels": OPERATOR,
    "metrics.serviceMonitor.labels": OPERATOR,
    "metrics.prometheusRule.labels": OPERATOR,
    "dashboards.labels": OPERATOR,
    "labels": DEFINITIONS,
}


@pytest.mark.parametrize(("value", "chart"), LABELS.items(), ids=LABELS)
@pytest.mark.parametrize("label", ["name", "managed-by", "version"])
def test_a_label_of_the_chart_is_refused_by_name(helm: Helm, value: str, chart: Path, label: str) -> None:
    values = [EVERYTHING] if chart is OPERATOR else []
    given = value + r".app\.kubernetes\.io/" + label + "=other"
    with pytest.raises(HelmError, match=f"{value}: the label app.kubernetes.io/{label} is the chart's own; leave it"):
        helm.template(chart, values=values, settings=[given])


@every_chart
def test_no_key_is_there_twice(helm: Helm, chart: Path, values: Path | None) -> None:
    labels = [f"{value}.team=platform" for value, owner in LABELS.items() if owner is chart]
    annotation = "podAnnotations.checksum/class" if chart is OPERATOR else "annotations.helm\\.sh/resource-policy"
    text = helm.template(chart, values=[values] if values else [], settings=[*labels, f"{annotation}=x"])
    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
        assert list(twice(document)) == []


def twice(node: yaml.Node | None) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from {key for key in keys if keys.count(key) > 1}
        for _, value in node.value:
            yield from twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from twice(value)


@pytest.mark.parametrize(
    ("settings", "names", "definitions"),
    [
        ([], {"release-fairlead"}, 3),
        (["fairlead.enabled=false"], set(), 3),
        (["fairlead-crds.enabled=false", "tags.platform=true"], {"release-fairlead"}, 0),
        (["second.enabled=true", "second.defaultClass.create=false"], {"release-fairlead", "release-second"}, 3),
        (["fairlead.podAnnotations=null", "fairlead.leaderElection=null", "global=null"], {"release-fairlead"}, 3),
    ],
    ids=["both", "definitions alone", "the operator alone", "one of them twice", "blank values"],
)
def test_an_umbrella_chart_may_depend_on_both(
    helm: Helm, umbrella: Path, settings: list[str], names: set[str], definitions: int
) -> None:
    found = helm.manifests(umbrella, settings=settings, release="release")
    deployments = [each for each in found if each["kind"] == "Deployment"]
    assert {each["metadata"]["name"] for each in deployments} == names
    assert all(each["spec"]["replicas"] == 3 for each in deployments if each["metadata"]["name"] == "release-fairlead")
    assert len([each for each in found if each["kind"] == "CustomResourceDefinition"]) == definitions


def test_an_umbrella_charts_slips_are_refused_all_the_same(helm: Helm, umbrella: Path) -> None:
    with pytest.raises(HelmError, match="replica"):
        helm.template(umbrella, settings=["fairlead.replica=3"])
