"""The `spec.worker` part: which handlers run on which events, in named steps with compensation."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from fairlead_contract.spec.model import Duration, EventType, Expression, Model, Name, Port, Rule, map_list


class HttpMethod(StrEnum):
    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class ServiceTarget(Model):
    """An HTTP endpoint of a Service in the same namespace."""

    name: Name = Field(description="Name of the Service, in the namespace of the ApiService.")
    port: Port = Field(default=80, description="Port of the Service.")
    path: str = Field(default="/", pattern=r"^/[!-~]*$", max_length=512, description="Path of the request.")


class Call(Model):
    """An HTTP request to a service. It carries an Idempotency-Key that is the same on every attempt."""

    service: ServiceTarget = Field(description="Where the request goes.")
    method: HttpMethod = Field(default=HttpMethod.POST, description="HTTP method.")
    timeout: Duration = Field(
        default="5s", description="Longest time for one attempt, from the connection to the last byte of the answer."
    )
    body: Expression | None = Field(
        default=None,
        description="CEL expression of the JSON body over document, event and results. Default: the event's data.",
    )


class Publish(Model):
    """An event that the step publishes, with the document as its data."""

    type: EventType = Field(description="Type of the event: RESOURCE.verbInThePast, such as orders.confirmed.")


# Lint refuses a name that the schema does not declare; a structural schema cannot bound the keys of a map.
Assignments = Annotated[dict[str, Expression], Field(min_length=1, max_length=32)]


class Compensation(Model):
    """What undoes a finished step when a later one fails for good."""

    RULES = (
        Rule(
            "[has(self.call), has(self.set)].exists_one(x, x)", "compensate needs exactly one of call and set; keep one"
        ),
    )
    call: Call | None = Field(default=None, description="HTTP request that undoes the step.")
    set: Assignments | None = Field(default=None, description="Properties set to CEL results.")


class Step(Model):
    """One named step of a handler. A retry does not repeat finished steps."""

    RULES = (
        Rule(
            "[has(self.call), has(self.set), has(self.publish)].exists_one(x, x)",
            "a step needs exactly one of call, set and publish; keep one, or make two steps",
        ),
    )
    name: Name = Field(description="Name of the step, unique in the handler; results.NAME is its answer.")
    when: Expression | None = Field(default=None, description="CEL condition; the step is skipped when it is false.")
    call: Call | None = Field(default=None, description="HTTP request to a service of the namespace.")
    set: Assignments | None = Field(
        default=None,
        description="Properties of the document set to CEL results over document, event and results.STEP.",
    )
    publish: Publish | None = Field(default=None, description="Event to publish.")
    compensate: Compensation | None = Field(default=None, description="How to undo the step when a later one fails.")


class Handler(Model):
    """Steps that run on one type of event."""

    event: EventType = Field(
        description="Type handled: RESOURCE.created, .updated, .deleted, or a type that a publish step declares."
    )
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description=(
            "Most events of this handler handled at once in one replica, within worker.concurrency; of interest where a"
            " step makes calls. Default: all but one for each other handler that makes calls."
        ),
    )
    steps: tuple[Step, ...] = Field(
        min_length=1, max_length=32, description="Steps, run in order.", json_schema_extra=map_list()
    )
    on_failure: tuple[Step, ...] = Field(
        default=(),
        max_length=32,
        description="Steps run after compensation when the handler has failed for good.",
        json_schema_extra=map_list(),
    )


class Worker(Model):
    """The queue worker."""

    concurrency: int = Field(default=10, ge=1, le=1000, description="Most events handled at once in one replica.")
    timeout: Duration = Field(default="30s", description="Longest time for one event; the grace period is longer.")
    handlers: tuple[Handler, ...] = Field(
        default=(), max_length=64, description="Handlers by event type.", json_schema_extra=map_list("event")
    )
