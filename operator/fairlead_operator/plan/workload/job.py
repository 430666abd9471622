"""The Jobs: provisioning, and what deletes tables and queues again.

Decided here: a Job runs as the workload, so cloud and database credentials never come near the operator. The provision
Job's name says what it provisions, and the image is no part of that. Neither has a TTL: its end is what the operator
waits for. A failed attempt is tried again with growing pauses until the deadline.
"""

from fairlead_operator.plan.children import Child, Manifest, Stage
from fairlead_operator.plan.context import Request
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


def provision_job(asked: Request) -> Child:
    """Creates or verifies what the bindings name, and says so in its termination message."""
    arguments = ["provision", "--hash", asked.provision_hash or ""]
    body = _job(asked, "provision", arguments, account="api", volumes_of_pod=volumes(asked, serves=False))
    suffix = f"provision-{asked.provision_hash}"
    return asked.child("batch/v1", "Job", suffix, body, component="provision", stage=Stage.PROVISION)


def teardown_children(asked: Request) -> tuple[Child, ...]:
    """The teardown Job with all that it needs. Nobody owns them: they outlive the ApiService."""
    annotations = asked.class_.spec.service_account.annotations
    data = {RUNTIME_KEY: asked.runtime_text}
    if asked.spec.queue is not None:
        data[DEAD_LETTER_KEY] = dead_letter_text(asked.spec.queue)
    job = _job(asked, "teardown", ["teardown"], account="teardown", volumes_of_pod=teardown_volumes(asked))

    def child(api_version: str, kind: str, body: Manifest, stage: Stage, notes: dict[str, str] | None = None) -> Child:
        return asked.child(
            api_version, kind, "teardown", body, component="teardown", stage=stage, annotations=notes, owned=False
        )

    return (
        child("v1", "ServiceAccount", {"automountServiceAccountToken": False}, Stage.BASE, annotations),
        child("v1", "ConfigMap", {"data": data}, Stage.BASE),
        child("batch/v1", "Job", job, Stage.PROVISION),
    )


def _job(
    asked: Request, component: str, arguments: list[str], *, account: str, volumes_of_pod: list[Manifest]
) -> Manifest:
    template = pod_template(
        asked,
        component,
        arguments=arguments,
        account=account,
        compute="worker",
        volumes=volumes_of_pod,
        container={},
        pod={"restartPolicy": "Never", "terminationGracePeriodSeconds": GRACE_SECONDS},
    )
    return {"spec": {"activeDeadlineSeconds": DEADLINE_SECONDS, "backoffLimit": ATTEMPTS, "template": template}}
