"""What the charts render to, without a cluster: golden files, permissions, dashboards, and what values are refused."""

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead_operator import plan
from fairlead_operator.controller.metrics import Metrics
from fairlead_operator.kube import kinds
from fairlead_operator.settings import Settings

from ..client import Manifest
from .helm import DEFINITIONS, OPERATOR, ROOT, VALUES, Helm, HelmError

CASES = sorted(VALUES.glob("*.yaml"))
GOLDEN = Path(__file__).parent / "golden"
EXCEPTIONS = Path(__file__).parents[1] / "checkers" / "exceptions.yaml"
CLUSTER_WIDE = {
    "ApiServiceClass",
    "ClusterRole",
    "ClusterRoleBinding",
    "FlowSchema",
    "PriorityLevelConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
DIGEST = "sha256:" + 64 * "a"

case = pytest.mark.parametrize("values", CASES, ids=lambda path: path.stem)


@pytest.mark.parametrize("chart", [OPERATOR, DEFINITIONS], ids=lambda path: path.name)
def test_helm_lints(helm: Helm, chart: Path) -> None:
    assert "0 chart(s) failed" in helm.run("lint", "--strict", str(chart))


@case
def test_helm_lints_with_values(helm: Helm, values: Path) -> None:
    helm.run("lint", "--strict", str(OPERATOR), "--values", str(values))


@case
def test_it_renders_what_the_golden_file_has(helm: Helm, values: Path) -> None:
    golden = GOLDEN / values.name
    assert helm.template(OPERATOR, values=[values]) == golden.read_text(), "`make golden` refreshes it; read the diff"


def objects(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def test_the_definitions_are_those_of_the_contract(helm: Helm) -> None:
    rendered = {each["metadata"]["name"]: each for each in helm.manifests(DEFINITIONS)}
    written = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    assert {name: each["spec"] for name, each in rendered.items()} == {
        each["metadata"]["name"]: each["spec"] for each in written
    }
    for each in rendered.values():
        assert each["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_definitions_that_are_not_kept_have_no_annotation_for_it(helm: Helm) -> None:
    for each in helm.manifests(DEFINITIONS, settings=["keep=false"]):
        assert "annotations" not in each["metadata"]


@case
def test_the_operator_may_do_what_the_table_of_kinds_says_and_nothing_else(helm: Helm, values: Path) -> None:
    manifests = helm.manifests(OPERATOR, values=[values])
    roles = objects(manifests, "ClusterRole") + objects(manifests, "Role")
    watched = {role["metadata"]["namespace"] for role in objects(manifests, "Role")} - {"fairlead-system"}
    granted = {
        (role["metadata"].get("namespace"), group, resource): set(rule["verbs"])
        for role in roles
        if role["metadata"]["name"].endswith("-operator")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if resource != "apisvcs/finalizers"
    }
    chosen = [kind for kind in kinds.ALL if kind is not kinds.LEASE and (kind.namespaced or not watched)]
    wanted = {(place, kind.group, kind.plural): set(kind.verbs) for kind in chosen for place in watched or {None}}
    wanted |= {
        (place, kind.group, f"{kind.plural}/{kind.subresource}"): {"patch"}
        for kind in chosen
        if kind.subresource
        for place in watched or {None}
    }
    assert granted == wanted


@case
def test_no_role_has_a_wildcard_secrets_exec_or_a_way_to_more(helm: Helm, values: Path) -> None:
    manifests = helm.manifests(OPERATOR, values=[values])
    for role in objects(manifests, "ClusterRole") + objects(manifests, "Role"):
        for rule in role["rules"]:
            granted = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert not granted & {"*", "secrets", "pods/exec", "nodes", "escalate", "bind", "impersonate"}
            assert "rbac.authorization.k8s.io" not in rule["apiGroups"]


def test_the_lease_is_in_the_operators_namespace_and_named(helm: Helm) -> None:
    [role] = objects(helm.manifests(OPERATOR), "Role")
    assert role["metadata"]["namespace"] == "fairlead-system"
    verbs = {verb: rule.get("resourceNames") for rule in role["rules"] for verb in rule["verbs"]}
    assert verbs == {"create": None, "get": ["fairlead-operator"], "update": ["fairlead-operator"]}
    assert set(verbs) == set(kinds.LEASE.verbs)


def test_a_namespaced_install_has_nothing_cluster_wide(helm: Helm) -> None:
    extras = ["flowControl.enabled=true", "metrics.prometheusRule.enabled=true", "dashboards.enabled=true"]
    manifests = helm.manifests(OPERATOR, values=[VALUES / "namespaced.yaml"], settings=extras)
    assert not {manifest["kind"] for manifest in manifests} & CLUSTER_WIDE
    assert all(manifest["metadata"]["namespace"] for manifest in manifests)
    bindings = [each for each in objects(manifests, "RoleBinding") if each["metadata"]["name"] == "fairlead-operator"]
    assert [each["metadata"]["namespace"] for each in bindings] == ["shop"]


def test_a_namespaced_install_mounts_its_class(helm: Helm) -> None:
    manifests = helm.manifests(OPERATOR, values=[VALUES / "namespaced.yaml"])
    [class_] = objects(manifests, "ConfigMap")
    written = yaml.safe_load(class_["data"]["class.yaml"])
    assert written["metadata"] == {"name": "team"}
    assert written["spec"]["limits"] == {"datastores": ["PostgreSQL"], "maxReplicas": 5}
    [deployment] = objects(manifests, "Deployment")
    [volume] = deployment["spec"]["template"]["spec"]["volumes"]
    assert volume["configMap"]["name"] == class_["metadata"]["name"]


@case
def test_every_variable_of_the_operator_is_a_setting_that_it_reads(helm: Helm, values: Path) -> None:
    [deployment] = objects(helm.manifests(OPERATOR, values=[values]), "Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each.get("value", "from-the-pod") for each in container["env"]}
    settings = Settings.from_environment(given)
    assert {f"FAIRLEAD_{name.upper()}" for name in vars(settings)} >= set(given)
    assert settings.port == container["ports"][0]["containerPort"]
    assert settings.lease_retry_seconds < settings.lease_renew_seconds < settings.lease_seconds


def test_an_image_is_named_by_digest_when_there_is_one(helm: Helm) -> None:
    def image(*settings: str) -> str:
        [deployment] = objects(helm.manifests(OPERATOR, settings=settings), "Deployment")
        found: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        return found

    version = yaml.safe_load((OPERATOR / "Chart.yaml").read_text())["appVersion"]
    assert image() == f"fairlead-operator:{version}"
    assert image("image.tag=1.2.3") == "fairlead-operator:1.2.3"
    assert image("image.tag=1.2.3", f"image.digest={DIGEST}") == f"fairlead-operator@{DIGEST}"


REFUSED = {
    "a typo": ("replica=3", "replica"),
    "a typo below": ("image.repo=x", "repo"),
    "no replica": ("replicas=0", "replicas"),
    "a name where a list belongs": ("watchNamespaces=shop", "watchNamespaces"),
    "several namespaces": ("watchNamespaces={shop,billing}", "watchNamespaces"),
    "a namespace that is none": ("watchNamespaces={Shop}", "watchNamespaces"),
    "a tag that moves": ("image.tag=latest", "image/tag"),
    "a digest that is none": ("image.digest=sha256:abc", "digest"),
    "an unknown level": ("operator.logLevel=LOUD", "logLevel"),
    "no worker": ("operator.workers=0", "workers"),
    "a lease that is renewed too late": ("leaderElection.renewSeconds=15", "renewSeconds less than leaseSeconds"),
    "a lease that is tried too late": ("leaderElection.retrySeconds=10", "retrySeconds has to be less"),
    "an unknown action": ("policies.classLimits.actions={Refuse}", "actions"),
    "actions that exclude each other": ("policies.classLimits.actions={Deny,Warn}", "actions"),
    "an unknown policy": ("policies.classlimits.enabled=true", "classlimits"),
    "an unknown limit of the class": ("defaultClass.spec.limits.replicas=3", "replicas"),
    "an unknown datastore in the class": ("defaultClass.spec.limits.datastores={Oracle}", "datastores"),
    "free environment variables": ("extraEnv[0].name=LD_PRELOAD", "extraEnv"),
    "monitors without a Service": (
        "metrics.service=false,metrics.serviceMonitor.enabled=true",
        "needs metrics.service",
    ),
    "a page of runbooks that is none": ("metrics.runbooks=wiki", "runbooks"),
    "a page of runbooks with an anchor": ("metrics.runbooks=https://wiki/alerts#top", "runbooks"),
    "somebody else's account without a name": ("serviceAccount.create=false", "serviceAccount.name is needed"),
}


@pytest.mark.parametrize(("setting", "said"), REFUSED.values(), ids=REFUSED)
def test_values_are_refused(helm: Helm, setting: str, said: str) -> None:
    with pytest.raises(HelmError, match=re.escape(said)):
        helm.template(OPERATOR, settings=[setting])


@pytest.mark.parametrize("setting", ["kept=false", "labels.team=1"], ids=["a typo", "a number as a label"])
def test_values_of_the_definitions_are_refused(helm: Helm, setting: str) -> None:
    with pytest.raises(HelmError, match="values don't meet the specifications"):
        helm.template(DEFINITIONS, settings=[setting])


@pytest.mark.parametrize("chart", [OPERATOR, DEFINITIONS], ids=lambda path: path.name)
def test_every_value_has_a_comment_and_a_place_in_the_schema(chart: Path) -> None:
    lines = (chart / "values.yaml").read_text().splitlines()
    silent = [
        line
        for before, line in itertools.pairwise(["", *lines])
        if re.match(r" *[A-Za-z]+:", line) and not before.strip().startswith("#")
    ]
    assert silent == []
    schema = json.loads((chart / "values.schema.json").read_text())
    # These two are for charts that depend on this one.
    assert set(schema["properties"]) - {"global", "enabled"} == set(yaml.safe_load("\n".join(lines)))


def test_no_template_reads_a_value_that_is_not_there(helm: Helm) -> None:
    for values in CASES:
        text = helm.template(OPERATOR, values=[values])
        assert "<no value>" not in text
        assert "<nil>" not in text


def dashboards() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in (OPERATOR / "files" / "dashboards").glob("*.json")}


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def metrics_in(expression: str) -> set[str]:
    """Names of metrics: what stands in front of a selector."""
    return set(re.findall(r"([a-z][a-z0-9_]+)\{", expression))


def operator_metrics() -> set[str]:
    metrics = Metrics(workers=1, clock=lambda: 0.0)
    metrics.leading(lambda: True, lease="fairlead-operator")
    metrics.heard(lambda: {"Lease": 0.0})
    return families(re.findall(r"^# TYPE (\S+) (\S+)$", metrics.render().decode(), re.MULTILINE))


def workload_metrics() -> set[str]:
    """Names and types in the modules that make them; counters get their ending from the library."""
    source = "\n".join(path.read_text() for path in (ROOT / "workloads/fairlead_workload/telemetry").glob("*.py"))
    found = re.findall(r"(Counter|Gauge|Histogram|Summary)MetricFamily\(\s*\"([a-z_]+)\"", source)
    return families([(name + ("_total" if kind == "Counter" else ""), kind.lower()) for kind, name in found])


def families(found: list[tuple[str, str]]) -> set[str]:
    names = set()
    for name, kind in found:
        endings = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}.get(kind, ("",))
        names |= {name + ending for ending in endings}
    return names


def test_the_dashboards_draw_metrics_that_there_are() -> None:
    known = {"apiservices": workload_metrics(), "operator": operator_metrics()}
    assert set(dashboards()) == set(known)
    for name, dashboard in dashboards().items():
        drawn = set().union(*map(metrics_in, expressions(dashboard)))
        assert len(drawn) > 8
        assert drawn <= known[name]


def test_the_dashboards_select_by_their_variables() -> None:
    for name, dashboard in dashboards().items():
        variables = {each["name"] for each in dashboard["templating"]["list"]}
        assert {"datasource", "namespace"} <= variables
        assert name != "apiservices" or "apisvc" in variables
        for expression in expressions(dashboard):
            used = set(re.findall(r"\$([a-z]+)", expression)) - {"__rate_interval"}
            assert used == variables - {"datasource"}
            assert expression.count("(") == expression.count(")")
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_the_alerts_read_metrics_that_there_are(helm: Helm) -> None:
    [rule] = objects(helm.manifests(OPERATOR, values=[VALUES / "everything.yaml"]), "PrometheusRule")
    alerts = rule["spec"]["groups"][0]["rules"]
    assert len(alerts) >= 5
    for alert in alerts:
        assert metrics_in(alert["expr"]) <= operator_metrics() | {"up"}


def test_every_alert_leads_to_its_part_of_the_docs_of_this_version_or_to_a_given_page(helm: Helm) -> None:
    anchors = set(re.findall(r"^## (\w+)$", (ROOT / "docs" / "alerts.md").read_text().lower(), re.MULTILINE))

    def pages(*settings: str) -> set[str]:
        manifests = helm.manifests(OPERATOR, values=[VALUES / "everything.yaml"], settings=settings)
        [rule] = objects(manifests, "PrometheusRule")
        [deployment] = objects(manifests, "Deployment")
        environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        found = {each["value"] for each in environment if each["name"] == "FAIRLEAD_RUNBOOKS"}
        for alert in rule["spec"]["groups"][0]["rules"]:
            page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
            assert anchor == alert["alert"].lower()
            assert anchor in anchors
            found.add(page)
        return found

    assert pages() == {plan.RUNBOOKS}
    assert pages("metrics.runbooks=https://wiki.example/alerts") == {"https://wiki.example/alerts"}


def test_the_dashboards_are_in_their_config_map_as_they_are(helm: Helm) -> None:
    manifests = helm.manifests(OPERATOR, settings=["dashboards.enabled=true"])
    [config_map] = objects(manifests, "ConfigMap")
    found = {name: json.loads(text) for name, text in config_map["data"].items()}
    assert found == {f"fairlead-{name}.json": dashboard for name, dashboard in dashboards().items()}


@case
def test_kube_score_finds_nothing_but_what_is_excepted(
    helm: Helm, checkers: dict[str, Path], values: Path, tmp_path: Path
) -> None:
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(helm.template(OPERATOR, values=[values]))
    command = [str(checkers["kube-score"]), "score", "--output-format", "json", str(rendered)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    findings = {
        f"{check['check']['id']}": f"{scored['object_name']}: {check['comments']}"
        for scored in json.loads(done.stdout)
        for check in scored["checks"]
        if not check["skipped"] and check["grade"] < 10
    }
    excepted = yaml.safe_load(EXCEPTIONS.read_text())["kube-score"]["chart"]
    assert all(reason.strip() for reason in excepted.values())
    assert {name: text for name, text in findings.items() if name not in excepted} == {}
    if values.stem == "default":
        assert set(excepted) <= set(findings), "an exception that is no longer needed"
