"""The DeadLetterRedrive: which dead letters of an ApiService are sent back, and how many a second."""

from typing import Literal

from pydantic import Field

from fairlead_contract.spec.metadata import Metadata
from fairlead_contract.spec.model import (
    Duration,
    EventType,
    Model,
    Name,
    Rule,
    ShortText,
    Text,
    map_list,
)
from fairlead_contract.spec.status import Condition


class RedriveFilter(Model):
    """Which dead letters. All given parts must match."""

    event_type: EventType | None = Field(default=None, description="Type of the event.")
    error_code: ShortText | None = Field(default=None, description="Code of the error.")
    since: str | None = Field(
        default=None, max_length=64, description="Failed at or after.", json_schema_extra={"format": "date-time"}
    )
    until: str | None = Field(
        default=None, max_length=64, description="Failed before.", json_schema_extra={"format": "date-time"}
    )
    key: ShortText | None = Field(default=None, description="Key of the document.")


class DeadLetterRedriveSpec(Model):
    """Which dead letters to handle again, and how fast. It cannot change."""

    RULES = (Rule("self == oldSelf", "a redrive cannot change; make a new one"),)
    api_service_name: Name = Field(description="The ApiService, in the same namespace.")
    filter: RedriveFilter = Field(default=RedriveFilter(), description="Which dead letters. Default: all.")
    rate_per_second: int = Field(default=10, ge=1, le=1000, description="Most events per second.")
    max_events: int | None = Field(default=None, ge=1, le=1_000_000, description="Most events. Default: all.")
    dry_run: bool = Field(default=False, description="Count, but move nothing.")
    ttl_after_finished: Duration | None = Field(default=None, description="Delete the redrive this long after its end.")


class DeadLetterRedriveStatus(Model):
    """How far the redrive is."""

    observed_generation: int = Field(
        default=0, ge=-1, description="Generation that the status is about; -1 until there is one."
    )
    conditions: tuple[Condition, ...] = Field(
        default=(),
        max_length=16,
        description="Ready (finished), Reconciling, Stalled.",
        json_schema_extra=map_list("type"),
    )
    matched: int = Field(default=0, ge=0, description="Dead letters that match.")
    redriven: int = Field(default=0, ge=0, description="Dead letters sent back to the queue.")
    failed: int = Field(default=0, ge=0, description="Dead letters that could not be sent back.")
    message: Text = Field(default="", description="What to know, for humans.")


class DeadLetterRedrive(Model):
    """A request to handle dead letters again."""

    api_version: Literal["fairlead.dev/v1alpha1"]
    kind: Literal["DeadLetterRedrive"]
    metadata: Metadata
    spec: DeadLetterRedriveSpec = Field(description="Which dead letters, and how fast.")
    status: DeadLetterRedriveStatus | None = Field(default=None, description="How far the redrive is.")
