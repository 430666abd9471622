"""What every resource of ours has: its API version and the object metadata that is read here."""

from pydantic import ConfigDict, Field

from fairlead_contract.spec.model import (
    Model,
    Namespace,
)

API_VERSION = "fairlead.dev/v1alpha1"


class Metadata(Model):
    """The parts of Kubernetes' object metadata that are read here; the others pass."""

    model_config = ConfigDict(extra="allow")
    name: str = Field(description="Name of the object.")
    namespace: Namespace = Field(default="default", description="Namespace of the object.")
    labels: dict[str, str] = Field(default={}, description="Labels.")
    annotations: dict[str, str] = Field(default={}, description="Annotations.")
