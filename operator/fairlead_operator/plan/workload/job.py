"""The Jobs: provisioning, and what deletes tables and queues again.

A Job runs as the workload, so cloud and database credentials never come near the operator. The provision
Job's name says what it provisions, and the image is no part of that. Neither has a TTL: its end is what the operator
waits for. A failed attempt is tried again with growing pauses until the deadline.
"""

from fairlead_operator.manifests import Manifest
from fairlead_operator.plan.children import Child, Stage
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.workload.config_maps import (
    DEAD_LETTER_KEY,
    RUNTIME_KEY,
    dead_letter_text,
)
from fairlead_operator.plan.workload.mounts import teardown_volumes, volumes
from fairlead_operator.plan.workload.pod import pod_template

DEADLINE_SECONDS = 600
ATTEMPTS = 6
GRACE_SECONDS = 30


def provision_job(request: PlanRequest) -> Child:
    """Creates or verifies what the bindings name, and says so in its termination message."""
    arguments = ["provision", "--hash", request.provision_hash or ""]
    if request.connections:
        arguments += ["--connections", str(request.connections)]
    body = _job(request, "provision", arguments, account="api", volumes_of_pod=volumes(request, serves=False))
    suffix = f"provision-{request.provision_hash}"
    return request.child("batch/v1", "Job", suffix, body, component="provision", stage=Stage.PROVISION)


def teardown_children(request: PlanRequest) -> tuple[Child, ...]:
    """The teardown Job with all that it needs. They have no owner: they outlive the ApiService."""
    annotations = request.class_.spec.service_account.annotations
    data = {RUNTIME_KEY: request.runtime_text}
    if request.spec.queue is not None:
        data[DEAD_LETTER_KEY] = dead_letter_text(request.spec.queue)
    job = _job(request, "teardown", ["teardown"], account="teardown", volumes_of_pod=teardown_volumes(request))

    def child(api_version: str, kind: str, body: Manifest, stage: Stage, notes: dict[str, str] | None = None) -> Child:
        return request.child(
            api_version, kind, "teardown", body, component="teardown", stage=stage, annotations=notes, owned=False
        )

    return (
        child("v1", "ServiceAccount", {"automountServiceAccountToken": False}, Stage.BASE, annotations),
        child("v1", "ConfigMap", {"data": data}, Stage.BASE),
        child("batch/v1", "Job", job, Stage.PROVISION),
    )


def _job(
    request: PlanRequest, component: str, arguments: list[str], *, account: str, volumes_of_pod: list[Manifest]
) -> Manifest:
    template = pod_template(
        request,
        component,
        arguments=arguments,
        account=account,
        compute="worker",
        volumes=volumes_of_pod,
        container={},
        pod={"restartPolicy": "Never", "terminationGracePeriodSeconds": GRACE_SECONDS},
    )
    return {"spec": {"activeDeadlineSeconds": DEADLINE_SECONDS, "backoffLimit": ATTEMPTS, "template": template}}
