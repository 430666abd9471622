"""Every reason that a condition can carry, with its fixed meaning. docs/reasons.md says cause and remedy of each."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Stable: users' alerts and scripts match on these."""

    # Healthy.
    READY = "Ready"
    AVAILABLE = "Available"
    PROVISIONED = "Provisioned"
    SCALING = "Scaling"
    NOT_CONFIGURED = "NotConfigured"
    # Under way.
    APPLYING = "Applying"
    PROVISIONING = "Provisioning"
    ROLLING_OUT = "RollingOut"
    ROLLOUT_QUEUED = "RolloutQueued"
    WAITING = "Waiting"
    DELETING = "Deleting"
    PAUSED = "Paused"
    # A person has to act.
    CLASS_NOT_FOUND = "ClassNotFound"
    INVALID_CLASS = "InvalidClass"
    CLASS_LIMITS = "ClassLimits"
    DOCUMENT_TOO_LARGE = "DocumentTooLarge"
    INVALID_SPEC = "InvalidSpec"
    PLAN_FAILED = "PlanFailed"
    CONFLICT = "Conflict"
    REFUSED = "Refused"
    PROVISION_FAILED = "ProvisionFailed"
    STORE_CHANGED = "StoreChanged"
    ROLLOUT_FAILED = "RolloutFailed"
    TEARDOWN_FAILED = "TeardownFailed"
    TEARDOWN_SKIPPED = "TeardownSkipped"
    # Why a workload is not available.
    UNAVAILABLE = "Unavailable"
    IMAGE_PULL = "ImagePull"
    MISSING_SECRET = "MissingSecret"  # noqa: S105
    MISSING_CONFIG = "MissingConfig"
    QUOTA_EXCEEDED = "QuotaExceeded"
    CRASHING = "Crashing"
    UNSCHEDULABLE = "Unschedulable"
    NOT_READY = "NotReady"
    SCALER_FAILED = "ScalerFailed"
    # What the cluster lacks.
    KEDA_NOT_INSTALLED = "KedaNotInstalled"
    REGION_UNKNOWN = "RegionUnknown"
    NEEDS_ONE_REPLICA = "NeedsOneReplica"
    # What it is not for.
    EMBEDDED_STORE = "EmbeddedStore"


@dataclass(frozen=True, slots=True)
class ConditionDetail:
    """A reason and what a human needs to know about this case of it. The text holds nothing that changes by itself."""

    reason: str
    message: str
