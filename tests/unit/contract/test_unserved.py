"""What no code serves yet is named, wherever it is asked for, and nothing else is."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead_contract.runtime import derive
from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.validation.rules import Severity, check, unserved

ORDERS = yaml.safe_load((Path(__file__).parents[3] / "examples" / "orders.yaml").read_text())
JWT = {"issuer": "https://id.example.com", "audiences": ["a"]}
ALLOW = {"authentication": {"anonymous": "Allow"}}


def service(**spec: Any) -> ApiService:
    document = copy.deepcopy(ORDERS)
    document["spec"].update(spec)
    resource = check(document).resource
    assert isinstance(resource, ApiService)
    return resource


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"security": {"authentication": {}}}, "security.authentication.anonymous"),
        ({"security": {"authentication": {"anonymous": "Allow", "jwt": JWT}}},
         "security.authentication.jwt"),
        ({"security": {"authentication": {"anonymous": "Allow", "apiKeys": {"secret": {"name": "keys"}}}}},
         "security.authentication.apiKeys"),
        ({"security": {**ALLOW, "authorization": [{"scopes": ["a"]}]}}, "security.authorization"),
        ({"security": {**ALLOW, "rateLimit": {"requests": 1}}}, "security.rateLimit"),
        ({"security": {**ALLOW, "requestFilter": {}}}, "security.requestFilter"),
        ({"security": {**ALLOW, "requestFilter": {"mode": "Detect"}}}, "security.requestFilter"),
        ({"security": {**ALLOW, "tls": {"secret": {"name": "tls"}}}}, "security.tls"),
        ({"grpc": {"enabled": True}}, "grpc.enabled"),
        ({"queue": {**ORDERS["spec"]["queue"], "format": "Avro"}}, "queue.format"),
        ({"queue": {**ORDERS["spec"]["queue"], "provision": "Existing"}}, "queue.provision"),
        ({"datastore": {**ORDERS["spec"]["datastore"], "provision": "Existing"}}, "datastore.provision"),
    ],
)  # fmt: skip
def test_what_is_not_served_is_named(spec: dict[str, Any], path: str) -> None:
    asked = service(**spec)
    assert [finding.path for finding in unserved(asked)] == [f"spec.{path}"]
    assert [finding.path for finding in unserved(derive(asked))] == [path]
    assert [finding.severity for finding in unserved(asked, severity=Severity.WARNING)] == [Severity.WARNING]


@pytest.mark.parametrize(
    "spec",
    [
        {"security": {**ALLOW, "requestFilter": {"mode": "Disabled"}}},
        {"grpc": {"enabled": False}},
        {
            "exposure": {"type": "Ingress", "ingress": {}},
            "scaling": {"backend": "KEDA"},
            "slo": {"availability": "99.9"},
        },
        {"compute": {"api": {"requests": {"cpu": "100m"}}}, "runtime": {"image": "example/own:1"}},
    ],
)
def test_what_changes_no_behaviour_here_is_not_named(spec: dict[str, Any]) -> None:
    assert unserved(service(**spec)) == []
