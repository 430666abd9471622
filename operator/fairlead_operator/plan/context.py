"""What is planned for: one ApiService in its class, on a cluster with certain kinds, with everything derived from it.

With it come names and labels of children, their owner, and the two hashes. Every builder takes a `PlanRequest` and
nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from fairlead_contract.names import LABEL_APISVC
from fairlead_contract.runtime import RuntimeDocument, derive
from fairlead_contract.spec.apiservice import ApiService, ApiServiceSpec
from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_contract.spec.bindings import DatastoreType, ServerAuthentication
from fairlead_contract.spec.metadata import API_VERSION
from fairlead_contract.spec.model import Model
from fairlead_contract.validation.connections import demand
from fairlead_operator.manifests import LABEL_COMPONENT, Manifest
from fairlead_operator.plan.children import Capabilities, Child, Stage
from fairlead_operator.plan.hashing import canonical, digest

APPLICATION = "apisvc"
MANAGER = "fairlead"
RUNBOOKS = f"https://fairlead.dev/docs/v{version('fairlead')}/alerts.md"
"""The default runbooks of alerts: the docs of this version."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """One ApiService to plan for. Made by `plan_request`.

    `connections`: the most that its pods open to the datastore; 0 where that is nobody's limit.
    """

    resource: ApiService
    class_: ApiServiceClass
    capabilities: Capabilities
    image: str
    runbooks: str
    uid: str
    document: RuntimeDocument
    runtime_text: str
    runtime_hash: str
    provision_hash: str | None
    connections: int

    @property
    def name(self) -> str:
        return self.resource.metadata.name

    @property
    def namespace(self) -> str:
        return self.resource.metadata.namespace

    @property
    def spec(self) -> ApiServiceSpec:
        return self.resource.spec

    @property
    def development(self) -> bool:
        """Whether everything runs in one pod on an embedded store."""
        return self.spec.datastore.type is DatastoreType.SQLITE

    @property
    def has_worker(self) -> bool:
        """Whether a Deployment of workers runs beside the API."""
        return self.spec.queue is not None and not self.development

    @property
    def serves_tls(self) -> bool:
        return self.document.security.tls is not None

    def child_name(self, suffix: str) -> str:
        """The name of a child; `suffix` without its dash."""
        return f"{self.name}-{suffix}"

    def labels(self, component: str) -> dict[str, str]:
        """The labels that every child carries."""
        return {
            "app.kubernetes.io/name": APPLICATION,
            "app.kubernetes.io/instance": self.name,
            LABEL_COMPONENT: component,
            "app.kubernetes.io/part-of": self.name,
            "app.kubernetes.io/managed-by": MANAGER,
            LABEL_APISVC: self.name,
        }

    def selector(self, component: str) -> dict[str, str]:
        """The labels that select the pods of a component. They can never change: selectors are immutable."""
        return {LABEL_APISVC: self.name, LABEL_COMPONENT: component}

    def child(
        self,
        api_version: str,
        kind: str,
        suffix: str,
        body: Mapping[str, Any],
        *,
        component: str,
        stage: Stage = Stage.BASE,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        owned: bool = True,
    ) -> Child:
        """A child with its metadata. Labels of our own win over `labels`."""
        metadata: Manifest = {
            "name": self.child_name(suffix),
            "namespace": self.namespace,
            "labels": {**(labels or {}), **self.labels(component)},
        }
        if annotations:
            metadata["annotations"] = dict(annotations)
        if owned and self.uid:
            metadata["ownerReferences"] = [self._owner()]
        return Child({"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}, stage)

    def _owner(self) -> Manifest:
        return {
            "apiVersion": API_VERSION,
            "kind": "ApiService",
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


def plan_request(
    resource: ApiService,
    class_: ApiServiceClass,
    *,
    capabilities: Capabilities,
    image: str,
    runbooks: str = RUNBOOKS,
    uid: str = "",
) -> PlanRequest:
    """Derive everything that the builders share. `image` is used where neither resource nor class names one."""
    document = derive(resource)
    plain = _plain(document)
    text = canonical(plain)
    embedded, asked = document.datastore.type is DatastoreType.SQLITE, demand(resource.spec)
    connections = asked.connections if asked is not None else 0
    own_image = resource.spec.runtime.image if resource.spec.runtime else None
    return PlanRequest(
        resource=resource,
        class_=class_,
        capabilities=capabilities,
        image=own_image or class_.spec.runtime.image or image,
        runbooks=runbooks,
        uid=uid,
        document=document,
        runtime_text=text,
        runtime_hash=digest(text),
        provision_hash=None if embedded else _provision_hash(plain, class_),
        connections=connections,
    )


def _plain(model: Model) -> Manifest:
    """`model` as JSON. What is not set is not there, so a new optional field of the contract changes no hash."""
    plain: Manifest = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain


def _provision_hash(document: Manifest, class_: ApiServiceClass) -> str:
    """A hash of all that provisioning reads: bindings, keys, indexes and schemas, but not what only a pod needs.

    The most connections are compared with what the server has, and yet change no hash: when the server has none left,
    no Job can run, and nobody could ask for fewer.
    """
    server = ("postgresql", "mysql")
    datastore = {name: _server(value) if name in server else value for name, value in document["datastore"].items()}
    bindings = {"datastore": datastore, "cache": document["cache"]}
    if "queue" in document:
        dead_letter = _without(document["queue"]["deadLetter"], "alertAfter")
        bindings["queue"] = _without(document["queue"], "retry") | {"deadLetter": dead_letter}
    shape = ("name", "key", "schema", "indexes", "timestamps")
    resources = [{word: each[word] for word in shape if word in each} for each in document["api"]["resources"]]
    read: Manifest = {"bindings": bindings, "resources": resources, "aws": _plain(class_.spec.aws)}
    return digest(canonical(read))


def _server(value: Manifest) -> Manifest:
    """What provisioning reads of a server. A way to log in that was always the one is left out, as hashes have it."""
    usual = ["authentication"] if value.get("authentication") == ServerAuthentication.PASSWORD else []
    return _without(value, "pool", "statementTimeout", "lockTimeout", *usual)


def _without(value: Manifest, *names: str) -> Manifest:
    return {key: inner for key, inner in value.items() if key not in names}
