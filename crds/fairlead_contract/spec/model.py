"""The base of every contract model and the scalar types they share.

Fields are camelCase on the wire; models are frozen and closed; names, texts, lists and durations have bounds. Nothing
here knows a resource; nothing here does I/O.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


@dataclass(frozen=True, slots=True)
class Rule:
    """One `x-kubernetes-validations` entry: `self` is the object of the model that carries it.

    `message` reads `FAULT; REMEDY`. `field` is where a person looks, from the object: `.key.partition`.
    """

    expression: str
    message: str
    field: str = ""


class Model(BaseModel):
    """A closed, frozen object of the contract. `RULES` becomes the object's CEL rules in the CRD."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        defer_build=True,  # most models are only ever parts of another one; building each costs a third of a start
    )
    RULES: ClassVar[tuple[Rule, ...]] = ()


SET_LIST: dict[str, Any] = {"x-kubernetes-list-type": "set"}
"""Field metadata for a list of scalars without duplicates."""


def map_list(key: str = "name") -> dict[str, Any]:
    """Field metadata for a list that is a map by `key` (`x-kubernetes-list-type: map`)."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


DURATION_PATTERN = r"^([0-9]+(ms|s|m|h))+$"
_DURATION_PART = re.compile(r"([0-9]+)(ms|s|m|h)")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(duration: str) -> float:
    """The length of a duration such as `1h30m` or `250ms`, in seconds. Go's syntax without fractions, signs or days."""
    return sum(int(count) * _UNIT_SECONDS[unit] for count, unit in _DURATION_PART.findall(duration))


_DOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
NAME_PATTERN = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
NAMESPACE_PATTERN = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"  # a label of RFC 1123; empty where there is none
LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"  # of RFC 1123
OBJECT_NAME_PATTERN = f"^{_DOMAIN}$"  # of a Kubernetes object
CLOUD_NAME_PATTERN = r"^[A-Za-z0-9._-]{1,253}$"  # of a table, queue, topic or stream
RESOURCE_NAME_PATTERN = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
PROPERTY_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
EVENT_TYPE_PATTERN = r"^[a-z][-a-z0-9]{0,39}[.][a-z][a-zA-Z]{0,39}$"
HOST_PATTERN = r"^[A-Za-z0-9]([-A-Za-z0-9.]{0,251}[A-Za-z0-9])?$"
HOST_PORT_PATTERN = r"^[A-Za-z0-9]([-A-Za-z0-9.]{0,251}[A-Za-z0-9])?:[0-9]{1,5}$"
ORIGIN_PATTERN = (  # the serialization of an origin (HTML), a host below `*.`, or any origin
    r"^([*]|[a-z][a-z0-9+.-]{0,31}://([*][.])?([a-z0-9]([-a-z0-9.]{0,200}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(:[1-9][0-9]{0,4})?)$"
)
FIELD_NAME_PATTERN = r"^[A-Za-z0-9][-A-Za-z0-9_]{0,62}$"  # of HTTP
# What an Ingress and an HTTPRoute both take. The last label of an address is a number.
HOSTNAME_PATTERN = r"^([*][.])?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])*[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
IMAGE_PATTERN = r"^[!-~]+$"
LABEL_KEY_PATTERN = f"^({_DOMAIN}/)?{_WORD}$"
ANNOTATION_KEY_PATTERN = f"^({_DOMAIN.replace('a-z', 'A-Za-z')}/)?{_WORD}$"
LABEL_VALUE_PATTERN = f"^({_WORD})?$"
QUANTITY_PATTERN = r"^[0-9]+([.][0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"

Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=63)]
Label = Annotated[str, Field(pattern=LABEL_PATTERN, max_length=63)]
Namespace = Annotated[str, Field(pattern=NAMESPACE_PATTERN, max_length=63)]
ResourceName = Annotated[str, Field(pattern=RESOURCE_NAME_PATTERN, max_length=40)]
PropertyName = Annotated[str, Field(pattern=PROPERTY_NAME_PATTERN, max_length=63)]
EventType = Annotated[str, Field(pattern=EVENT_TYPE_PATTERN, max_length=81)]
Text = Annotated[str, Field(max_length=1024)]
ObjectName = Annotated[str, Field(pattern=OBJECT_NAME_PATTERN, max_length=253)]
CloudName = Annotated[str, Field(pattern=CLOUD_NAME_PATTERN, max_length=253)]
ShortText = Annotated[str, Field(min_length=1, max_length=253)]
Host = Annotated[str, Field(pattern=HOST_PATTERN, max_length=253)]
Origin = Annotated[str, Field(pattern=ORIGIN_PATTERN, max_length=256)]
FieldName = Annotated[str, Field(pattern=FIELD_NAME_PATTERN, max_length=63)]
Hostname = Annotated[str, Field(pattern=HOSTNAME_PATTERN, max_length=253)]
HostPort = Annotated[str, Field(pattern=HOST_PORT_PATTERN, max_length=259)]
Port = Annotated[int, Field(ge=1, le=65535)]
Expression = Annotated[str, Field(min_length=1, max_length=1024)]
# A structural schema cannot bound the keys of a map, only their number.
StringMap = Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=64)]
LabelValue = Annotated[str, Field(pattern=LABEL_VALUE_PATTERN, max_length=63)]
LabelMap = Annotated[dict[str, LabelValue], Field(max_length=64)]
Image = Annotated[str, Field(pattern=IMAGE_PATTERN, min_length=1, max_length=512)]
Quantity = Annotated[str, Field(pattern=QUANTITY_PATTERN, max_length=32)]


def keys_of_labels(field: str) -> Rule:
    """That every key of the map `field` can be that of a label."""
    return _keys(field, LABEL_KEY_PATTERN)


def keys_of_annotations(field: str) -> Rule:
    """That every key of the map `field` can be that of an annotation: in its domain, capitals do no harm."""
    return _keys(field, ANNOTATION_KEY_PATTERN)


def _keys(field: str, pattern: str) -> Rule:
    return Rule(
        f"!has(self.{field}) || self.{field}.all(key, key.size() <= 253 && key.matches('{pattern}'))",
        f"a key of {field} must read NAME or DOMAIN/NAME, of letters, digits, dashes, underscores and dots; correct it",
        f".{field}",
    )


class SecretName(Model):
    """A Secret in the resource's own namespace."""

    name: ObjectName = Field(description="Name of the Secret, in the namespace of the ApiService.")
