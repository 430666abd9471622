"""What a real API server says when it refuses a child, and whose fault the operator takes it for."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead_operator.errors import ApiError, Forbidden, Invalid
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client as OperatorClient
from fairlead_operator.kube.credentials import Credentials
from fairlead_operator.kube.kinds import Kind

from ..client import ApiError as Refusal
from ..client import Client, Manifest
from ..waiting import eventually
from .harness import info


async def refusal(config: Path, kind: Kind, manifest: Manifest) -> ApiError:
    """The error that the operator meets when it applies this."""
    credentials = Credentials(lambda: info(config), clock=asyncio.get_running_loop().time)
    async with OperatorClient(credentials) as client:
        with pytest.raises(ApiError) as found:
            await client.apply_new(kind, manifest)
    return found.value


def manifest(kind: Kind, namespace: str, **body: object) -> Manifest:
    metadata = {"name": "denied", "namespace": namespace}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **body}


@pytest.mark.parametrize(
    "peer",
    [
        pytest.param({"podselector": {}}, id="a field that the kind does not have"),
        pytest.param({}, id="an empty peer"),
        pytest.param({"podSelector": {"matchLabels": {"a": ["b"]}}}, id="a wrong type"),
    ],
)
async def test_a_child_that_no_api_server_takes_is_invalid(
    operator_config: Path, namespace: str, peer: Manifest
) -> None:
    spec = {"podSelector": {}, "ingress": [{"from": [peer]}]}
    policy = manifest(kinds.NETWORK_POLICY, namespace, spec=spec)
    assert type(await refusal(operator_config, kinds.NETWORK_POLICY, policy)) is Invalid


@pytest.fixture
def denied(admin: Client, namespace: str) -> Iterator[Manifest]:
    """A ConfigMap that a policy of the cluster does not let in."""
    wanted = manifest(kinds.CONFIG_MAP, namespace, data={})
    version, name = "admissionregistration.k8s.io/v1", f"deny-{namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    policy = {
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": here},
        "validations": [{"expression": "object.metadata.name != 'denied'", "message": "not here"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    made = [
        admin.create({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
        for kind, spec in (("ValidatingAdmissionPolicy", policy), ("ValidatingAdmissionPolicyBinding", binding))
    ]

    def is_denied() -> bool:
        try:
            admin.create(wanted, dry_run=True)
        except Refusal:
            return True
        return False

    eventually(is_denied, what="the policy is in force")
    yield wanted
    for each in made:
        admin.delete(each)


async def test_a_child_that_a_policy_does_not_let_in_is_forbidden(operator_config: Path, denied: Manifest) -> None:
    found = await refusal(operator_config, kinds.CONFIG_MAP, denied)
    assert type(found) is Forbidden
    assert "not here" in found.message
