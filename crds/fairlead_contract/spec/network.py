"""The peers of a NetworkPolicy, as the API server takes them: what it refuses in a child is refused in the class."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from fairlead_contract.spec.model import LABEL_KEY_PATTERN, LabelMap, LabelValue, Model, Rule, keys_of_labels

CIDR_PATTERN = r"^[0-9A-Fa-f:.]{2,45}/[0-9]{1,3}$"
Cidr = Annotated[str, Field(pattern=CIDR_PATTERN, max_length=49)]


class SelectorOperator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class SelectorRequirement(Model):
    """A condition on one label."""

    RULES = (
        Rule(
            "(self.operator in ['In', 'NotIn']) == (self.?values.orValue([]).size() > 0)",
            "operators In and NotIn need values, and no other takes any; add or remove them",
            ".values",
        ),
    )
    key: str = Field(pattern=LABEL_KEY_PATTERN, max_length=253, description="Key of the label.")
    operator: SelectorOperator = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: tuple[LabelValue, ...] = Field(default=(), max_length=32, description="Values for In and NotIn.")


class LabelSelector(Model):
    """Which objects, by their labels. An empty one selects all."""

    RULES = (keys_of_labels("matchLabels"),)
    match_labels: LabelMap = Field(default={}, description="Labels that must be there with these values.")
    match_expressions: tuple[SelectorRequirement, ...] = Field(
        default=(), max_length=16, description="Conditions that must all hold."
    )


class IpBlock(Model):
    """A range of addresses."""

    RULES = (
        Rule(
            "isCIDR(self.cidr)", "cidr must be a range of addresses; write it like 10.0.0.0/8 or 2001:db8::/64", ".cidr"
        ),
        Rule(
            "!isCIDR(self.cidr) || cidr(self.cidr).masked() == cidr(self.cidr)",
            "cidr must begin with the first address of its range; write 10.0.0.0/8, not 10.0.0.1/8",
            ".cidr",
        ),
        Rule(
            "!has(self.except) || !isCIDR(self.cidr) || self.except.all(part, isCIDR(part)"
            " && cidr(part).masked() == cidr(part) && cidr(self.cidr).containsCIDR(cidr(part))"
            " && cidr(part).prefixLength() > cidr(self.cidr).prefixLength())",
            "except must hold smaller ranges within cidr, each from its first address; correct them",
            ".except",
        ),
    )
    cidr: Cidr = Field(description="The range, such as 10.0.0.0/8 or 2001:db8::/64.")
    except_: tuple[Cidr, ...] = Field(
        default=(), alias="except", max_length=16, description="Ranges within it that are left out."
    )


class NetworkPeer(Model):
    """Who may connect: pods, by their labels and those of their namespaces, or a range of addresses."""

    RULES = (
        Rule(
            "has(self.ipBlock) ? !has(self.podSelector) && !has(self.namespaceSelector)"
            " : has(self.podSelector) || has(self.namespaceSelector)",
            "a peer needs podSelector, namespaceSelector or both, or ipBlock alone; correct its members",
        ),
    )
    pod_selector: LabelSelector | None = Field(
        default=None, description="Pods. Default: all of the namespaces; alone, of the ApiService's own namespace."
    )
    namespace_selector: LabelSelector | None = Field(
        default=None, description="Namespaces. Default: the ApiService's own."
    )
    ip_block: IpBlock | None = Field(default=None, description="Addresses, outside the cluster as a rule.")
