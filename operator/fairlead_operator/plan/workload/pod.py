"""The pod of every workload: one container of the workload image, as the Pod Security level "restricted" wants it.

It sets user, root file system and environment. No token of the API server is in the pod, and pods are replaced when the
annotations of their ServiceAccount change. The probes and the time that a pod takes to end are in
`deployment.py`, where the roles differ.
"""

from collections.abc import Mapping
from typing import Any

from fairlead_contract.names import ANNOTATION_IDENTITY_HASH, WORKLOAD_USER_ID
from fairlead_operator.manifests import Manifest
from fairlead_operator.plan.bindings import uses_aws
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.hashing import canonical, digest
from fairlead_operator.plan.workload.compute import resources
from fairlead_operator.plan.workload.mounts import mounts


def pod_template(
    request: PlanRequest,
    component: str,
    *,
    arguments: list[str],
    account: str,
    compute: str,
    volumes: list[Manifest],
    container: Mapping[str, Any],
    pod: Mapping[str, Any],
) -> Manifest:
    """A pod template. `arguments` select what the image does; `container` and `pod` add what differs by role."""
    environment = [{"name": name, "value": value} for name, value in _aws(request).items()]
    pull_secrets = [{"name": secret.name} for secret in request.class_.spec.runtime.pull_secrets]
    main: Manifest = {
        "name": component,
        "image": request.image,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        **({"env": environment} if environment else {}),
        "resources": resources(request, compute),
        "securityContext": _container_security(),
        "volumeMounts": mounts(volumes),
        **container,
    }
    spec: Manifest = {
        "serviceAccountName": request.child_name(account),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": _pod_security(),
        **({"imagePullSecrets": pull_secrets} if pull_secrets else {}),
        "containers": [main],
        "volumes": volumes,
        **pod,
    }
    return {"metadata": {"labels": request.labels(component), **_identity(request)}, "spec": spec}


def _identity(request: PlanRequest) -> Manifest:
    """What makes pods new when their account changes: a cloud looks at its annotations only when a pod starts."""
    annotations = request.class_.spec.service_account.annotations
    return {"annotations": {ANNOTATION_IDENTITY_HASH: digest(canonical(annotations))}} if annotations else {}


def _aws(request: PlanRequest) -> dict[str, str]:
    """Where AWS is, under the names that every AWS SDK reads."""
    if not uses_aws(request):
        return {}
    aws = request.class_.spec.aws
    values = {"AWS_REGION": aws.region, "AWS_ENDPOINT_URL": aws.endpoint}
    return {name: value for name, value in values.items() if value is not None}


def _pod_security() -> Manifest:
    return {
        "runAsNonRoot": True,
        "runAsUser": WORKLOAD_USER_ID,
        "runAsGroup": WORKLOAD_USER_ID,
        "fsGroup": WORKLOAD_USER_ID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container_security() -> Manifest:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
