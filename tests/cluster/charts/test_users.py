"""What the roles of Kubernetes allow with the chart's own among them: whoever edits or views a namespace."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from fairlead_cli.__main__ import app

from ..client import Client, Manifest
from ..controlplane import Cluster
from ..operator.harness import example
from ..waiting import eventually
from .resources import service_class


def test_who_edits_or_views_a_namespace_does_so_with_api_services_too(
    admin: Client, connect: Callable[..., Client], namespace: str, install: Callable[..., str]
) -> None:
    install()
    for role in ("edit", "view"):
        bind(admin, namespace, role=role, user=f"{role}er")
    # The controller puts the roles together, one after the other.
    editor, viewer, every = connect("editer"), connect("viewer"), {"get", "list", "create", "delete"}
    eventually(lambda: allowed(editor, namespace) == every, what="who edits may do everything")
    eventually(lambda: allowed(viewer, namespace), what="who views may do something")
    assert allowed(viewer, namespace) == {"get", "list"}


UNREAD = (
    "you may not {} apisvcclasses.fairlead.dev in the cluster; ask for a role that allows it, or give --class FILE;"
    " what the class says is left out of this plan"
)


def test_who_edits_a_namespace_plans_there_without_reading_classes(
    admin: Client, cluster: Cluster, namespace: str, install: Callable[..., str], tmp_path: Path
) -> None:
    install()
    bind(admin, namespace, role="edit", user="planner")
    config = cluster.kubeconfig("planner")
    with Client(config) as client:
        eventually(lambda: "create" in allowed(client, namespace), what="who edits may create")

    def planned(*arguments: str, **spec: Any) -> tuple[Manifest, dict[str, Manifest]]:
        file = tmp_path / "resource.yaml"
        file.write_text(yaml.safe_dump(example(namespace, **spec)))
        given = ["-f", str(file), "--kubeconfig", str(config), "--output", "json", *arguments]
        done = CliRunner().invoke(app, ["plan", *given])
        assert done.stdout, done.stderr
        [found] = json.loads(done.stdout)["resources"]
        return found, {each["kind"]: each for each in found["objects"]}

    for spec, verb, class_name in (({}, "list", ""), ({"className": "standard"}, "get", "standard")):
        found, objects = planned(**spec)
        assert found["class"] == class_name
        assert found["notes"][0] == UNREAD.format(verb)
        made = {kind for kind, each in objects.items() if each["action"] == "create"}
        assert made >= {"ApiService", "Deployment", "Service", "ConfigMap", "NetworkPolicy", "Job"}
        # What the roles of Kubernetes leave out is named, with the right that it takes.
        assert "you may not get prometheusrules.monitoring.coreos.com in" in objects["PrometheusRule"]["message"]
        assert any(note.startswith("you may not list prometheusrules.monitor") for note in found["notes"])
    (tmp_path / "class.yaml").write_text(yaml.safe_dump(service_class("standard")))
    found, _ = planned("--class", str(tmp_path / "class.yaml"))
    assert found["class"] == "standard"
    assert not [note for note in found["notes"] if "apisvcclasses" in note]


def bind(admin: Client, namespace: str, *, role: str, user: str) -> None:
    """Let the user have a ClusterRole in the namespace."""
    group = "rbac.authorization.k8s.io"
    admin.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"{user}-{role}", "namespace": namespace},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        }
    )


def allowed(client: Client, namespace: str) -> set[str]:
    """The verbs that the user has on ApiServices."""

    def may(verb: str) -> bool:
        attributes = {"namespace": namespace, "verb": verb, "group": "fairlead.dev", "resource": "apisvcs"}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = client.request("POST", path, body=review | {"spec": {"resourceAttributes": attributes}})
        return bool(answer["status"]["allowed"])

    return {verb for verb in ("get", "list", "create", "delete") if may(verb)}
