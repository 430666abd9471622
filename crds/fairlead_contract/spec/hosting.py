"""How a service runs on a cluster: compute, scaling, exposure and its objectives. None of it matters on a laptop."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field
from pydantic.alias_generators import to_camel

from fairlead_contract.spec.model import (
    SET_LIST,
    Duration,
    Hostname,
    Image,
    Label,
    Model,
    Name,
    ObjectName,
    Quantity,
    Rule,
    SecretName,
    StringMap,
    keys_of_annotations,
)


class Quantities(Model):
    """Amounts of CPU and memory."""

    cpu: Quantity | None = Field(default=None, description="CPU, such as 250m.")
    memory: Quantity | None = Field(default=None, description="Memory, such as 256Mi.")


def _within_limit(name: str) -> Rule:
    here = " && ".join(f"has(self.{part}) && has(self.{part}.{name})" for part in ("requests", "limits"))
    return Rule(
        f"!({here}) || !quantity(self.requests.{name}).isGreaterThan(quantity(self.limits.{name}))",
        f"requests.{name} must not be above limits.{name}; lower it, or raise the limit",
        f".requests.{name}",
    )


class ComputeResources(Model):
    """Requests and limits of one container."""

    RULES = (_within_limit("cpu"), _within_limit("memory"))
    requests: Quantities | None = Field(
        default=None, description="What is reserved. Default: the class's, or the limit if that is less."
    )
    limits: Quantities | None = Field(
        default=None, description="What may be used. Default: the class's, or the request if that is more."
    )


class Compute(Model):
    """Requests and limits of the API and the worker."""

    api: ComputeResources | None = Field(default=None, description="Of the API's pods.")
    worker: ComputeResources | None = Field(default=None, description="Of the worker's pods.")


class ScalingBackend(StrEnum):
    AUTO = "Auto"
    HPA = "HPA"
    KEDA = "KEDA"
    NONE = "None"


_MIN_MAX = Rule("self.?min.orValue(1) <= self.?max.orValue(10)", "min must not be above max; lower it", ".min")


class ApiScaling(Model):
    """Scaling of the API by CPU."""

    RULES = (_MIN_MAX,)
    min: int = Field(default=1, ge=1, le=1000, description="Fewest replicas.")
    max: int = Field(default=10, ge=1, le=1000, description="Most replicas.")
    cpu_percent: int = Field(default=70, ge=1, le=100, description="Target utilisation of the CPU request, in percent.")


class WorkerScaling(Model):
    """Scaling of the worker by backlog (KEDA) or CPU (HPA)."""

    RULES = (_MIN_MAX,)
    min: int = Field(default=1, ge=0, le=1000, description="Fewest replicas; 0 needs KEDA.")
    max: int = Field(default=10, ge=1, le=1000, description="Most replicas.")
    backlog_per_replica: int = Field(
        default=100, ge=1, le=1_000_000, description="Target of waiting events per replica."
    )
    cpu_percent: int = Field(default=70, ge=1, le=100, description="Target utilisation without KEDA, in percent.")


def _scaled_by_hand(part: str, model: type[Model]) -> Rule:
    """Without an autoscaler these have no effect. The API server fills defaults in before it validates."""
    fields = (f"self.{part}.{to_camel(name)} == {field.default}" for name, field in model.model_fields.items())
    return Rule(
        f"self.backend != 'None' || ({' && '.join(fields)})",
        f"with backend None nothing scales, so {part} has no effect; remove it, and scale by kubectl scale",
        f".{part}",
    )


class Scaling(Model):
    """Autoscaling."""

    RULES = (_scaled_by_hand("api", ApiScaling), _scaled_by_hand("worker", WorkerScaling))
    backend: ScalingBackend = Field(
        default=ScalingBackend.AUTO,
        description="Auto: KEDA for the worker where it is installed, else HPA. None: replicas are scaled by hand.",
    )
    api: ApiScaling = Field(default=ApiScaling(), description="Of the API.")
    worker: WorkerScaling = Field(default=WorkerScaling(), description="Of the worker.")


class ExposureType(StrEnum):
    GATEWAY = "Gateway"
    INGRESS = "Ingress"
    NONE = "None"


class GatewayRef(Model):
    """A Gateway that the class allows."""

    name: ObjectName = Field(description="Name of the Gateway.")
    namespace: Label | None = Field(default=None, description="Its namespace. Default: the ApiService's.")


Hostnames = Annotated[tuple[Hostname, ...], Field(max_length=16, json_schema_extra=SET_LIST)]


class GatewayExposure(Model):
    """An HTTPRoute of the Gateway API."""

    parent_ref: GatewayRef = Field(description="The Gateway.")
    hostnames: Hostnames = Field(
        default=(), description="Host names that the class allows, such as orders.example.com or *.example.com."
    )


class IngressExposure(Model):
    """An Ingress."""

    RULES = (
        # Others act on these as if the operator, or a platform engineer, had set them.
        Rule(
            "!has(self.annotations) || self.annotations.all(k, !k.matches("
            "'^([^/]*[.])?(fairlead[.]dev|argoproj[.]io|helm[.]sh|k8s[.]io)/|^((kubectl|applyset)[.])?kubernetes[.]io/'))",
            "annotations of Fairlead, Kubernetes, Helm and Argo CD cannot be set; remove them",
            ".annotations",
        ),
        keys_of_annotations("annotations"),
    )
    class_name: Name | None = Field(default=None, description="IngressClass. Default: the cluster's.")
    hostnames: Hostnames = Field(
        default=(), description="Host names that the class allows, such as orders.example.com or *.example.com."
    )
    tls_secret: SecretName | None = Field(default=None, description="Secret with the certificate of the host names.")
    annotations: StringMap = Field(default={}, description="Annotations that the class allows, such as those of a WAF.")


class Exposure(Model):
    """How the API is reached from outside the cluster."""

    RULES = (
        Rule(
            "self.type == 'Gateway' ? has(self.gateway) : !has(self.gateway)",
            "type Gateway needs gateway, and no other type takes it; add or remove it",
            ".gateway",
        ),
        Rule(
            "self.type == 'Ingress' ? has(self.ingress) : !has(self.ingress)",
            "type Ingress needs ingress, and no other type takes it; add or remove it",
            ".ingress",
        ),
    )
    type: ExposureType = Field(default=ExposureType.NONE, description="Gateway, Ingress or None.")
    gateway: GatewayExposure | None = Field(default=None, description="Settings for type Gateway.")
    ingress: IngressExposure | None = Field(default=None, description="Settings for type Ingress.")


class Slo(Model):
    """Objectives that become alert rules."""

    availability: str | None = Field(
        default=None,
        pattern=r"^[0-9]{1,2}([.][0-9]{1,4})?$",
        max_length=7,
        description='Percent of requests that must not fail with 5xx, such as "99.9".',
    )
    latency_p99: Duration | None = Field(
        default=None, alias="latencyP99", description="99th percentile of the latency."
    )


class Runtime(Model):
    """The workload image, where the class lets developers choose it."""

    image: Image | None = Field(default=None, description="Image that the class allows.")
