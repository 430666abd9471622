"""The custom resource definitions: names, columns, and the schemas of the three kinds. Pure.

This module has the names by which kubectl knows the kinds, and the columns of `kubectl get`. The plural is `apisvcs`
because kubectl always resolves `apiservice(s)` to the built-in APIService.
"""

from dataclasses import dataclass
from functools import cache

from fairlead_contract.crd.structural_schema import structural
from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.names import GROUP, VERSION
from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_contract.spec.model import Model
from fairlead_contract.spec.redrive import DeadLetterRedrive

API_VERSION_TEXT = (
    "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized "
    "schemas to the latest internal value, and may reject unrecognized values."
)
KIND_TEXT = (
    "Kind is a string value representing the REST resource this object represents. Servers may infer this from the "
    "endpoint the client submits requests to. Cannot be updated. In CamelCase."
)
_ENVELOPE: Json = {
    "apiVersion": {"description": API_VERSION_TEXT, "type": "string"},
    "kind": {"description": KIND_TEXT, "type": "string"},
    "metadata": {"type": "object"},  # the API server has the rest, and refuses more keywords here
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; a wide one appears with `-o wide` only."""

    name: str
    json_path: str
    type: str = "string"
    wide: bool = False
    description: str = ""

    def manifest(self) -> Json:
        words = {"name": self.name, "type": self.type, "jsonPath": self.json_path, "description": self.description}
        return {k: v for k, v in words.items() if v} | ({"priority": 1} if self.wide else {})


_AGE = Column("Age", ".metadata.creationTimestamp", "date")


def _condition(name: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{name}")].{field}'


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of the group: its model and how kubectl knows it."""

    model: type[Model]
    plural: str
    singular: str
    short_names: tuple[str, ...]
    scope: str
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        return self.model.__name__


KINDS = (
    Kind(
        ApiService,
        plural="apisvcs",
        singular="apisvc",
        short_names=("apisvc",),
        scope="Namespaced",
        columns=(
            Column("URL", ".status.url", description="Where the API is reached."),
            Column("Ready", _condition("Ready", "status"), description="Whether the API serves what is asked."),
            Column("Reason", _condition("Ready", "reason"), description="Why it is ready or not."),
            Column("API", ".status.api.replicas", description="Ready and wanted replicas of the API."),
            Column("Worker", ".status.worker.replicas", description="Ready and wanted replicas of the worker."),
            Column("Store", ".spec.datastore.type", wide=True, description="Type of the datastore."),
            Column("Cache", ".spec.cache.type", wide=True, description="Type of the cache."),
            Column("Queue", ".spec.queue.type", wide=True, description="Type of the queue."),
            Column("Class", ".status.className", wide=True, description="ApiServiceClass in use."),
            _AGE,
        ),
    ),
    Kind(
        ApiServiceClass,
        plural="apisvcclasses",
        singular="apisvcclass",
        short_names=(),
        scope="Cluster",
        columns=(
            Column("Default", ".spec.isDefault", "boolean", description="Used by an ApiService that names no class."),
            Column("Image", ".spec.runtime.image", wide=True, description="Workload image."),
            _AGE,
        ),
    ),
    Kind(
        DeadLetterRedrive,
        plural="deadletterredrives",
        singular="deadletterredrive",
        short_names=(),
        scope="Namespaced",
        columns=(
            Column("Service", ".spec.apiServiceName", description="The ApiService."),
            Column("Matched", ".status.matched", "integer", description="Dead letters that match."),
            Column("Redriven", ".status.redriven", "integer", description="Dead letters sent back to the queue."),
            Column("Failed", ".status.failed", "integer", description="Dead letters that could not be sent back."),
            Column("Ready", _condition("Ready", "status"), description="Whether the redrive is finished."),
            Column("Reason", _condition("Ready", "reason"), wide=True, description="Why it is finished or not."),
            _AGE,
        ),
    ),
)


@cache
def object_schema(kind: Kind) -> Json:
    """The schema of a whole object of `kind`. Shared: never write to it."""
    schema = structural(kind.model, without=_ENVELOPE.keys())
    properties = schema["properties"]
    rest = {key: value for key, value in schema.items() if key != "properties"}
    return rest | {"properties": _ENVELOPE | properties}


def _with_unseen_status(schema: Json) -> Json:
    """With a status from the first moment, where there is to be one: kstatus takes a resource without any for well."""
    properties = schema["properties"]
    if "status" not in properties:
        return schema
    status = properties["status"] | {"default": {"observedGeneration": -1}}
    return schema | {"properties": properties | {"status": status}}


def custom_resource_definition(kind: Kind) -> Json:
    """The CustomResourceDefinition of `kind`, ready to be applied."""
    schema = _with_unseen_status(object_schema(kind))
    version: Json = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [column.manifest() for column in kind.columns],
    }
    if "status" in schema["properties"]:
        version["subresources"] = {"status": {}}
    names: Json = {"kind": kind.name, "listKind": f"{kind.name}List", "plural": kind.plural, "singular": kind.singular}
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": names | {"categories": ["fairlead"]},
            "scope": kind.scope,
            "versions": [version],
        },
    }
