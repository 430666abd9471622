"""One ApiService under test: what is done to it, and what becomes of it and of its children."""

from dataclasses import dataclass
from typing import Any

from fairlead_operator.kube import kinds

from ..client import ApiError, Client, Manifest
from ..waiting import eventually

LABEL = "fairlead.dev/apisvc"
READY_SECONDS = 90.0
SERVER_FIELDS = ("clusterIP", "clusterIPs")


@dataclass(frozen=True)
class Resource:
    """Named by its manifest; every method asks the API server again."""

    client: Client
    manifest: Manifest

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.manifest["metadata"]["namespace"])

    def create(self) -> "Resource":
        """Make it; the same resource, for chaining."""
        self.client.create(self.manifest)
        return self

    def edit(self, **spec: Any) -> None:
        """Merge these parts into its spec."""
        self.client.merge(self.manifest, {"spec": spec})

    def annotate(self, name: str, value: str | None) -> None:
        """Set one of our annotations, or remove it."""
        self.client.merge(self.manifest, {"metadata": {"annotations": {f"fairlead.dev/{name}": value}}})

    def delete(self) -> None:
        """Delete it in the background."""
        self.client.delete(self.manifest)

    def live(self) -> Manifest:
        """It has to be there."""
        live = self.client.get(self.manifest)
        assert live is not None, f"ApiService {self.name} is gone"
        return live

    def condition(self, name: str) -> Manifest:
        """One of its conditions, or an empty one."""
        return condition(self.live(), name)

    def until(self, name: str, state: str, reason: str = "", *, timeout_seconds: float = READY_SECONDS) -> Manifest:
        """Wait for a condition that is about the newest spec; the live resource."""

        def check() -> Manifest | None:
            live = self.live()
            return live if _has_condition(live, name, state, reason) else None

        try:
            return eventually(check, what=f"{name} is {state} {reason}", timeout_seconds=timeout_seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.live().get('status')}") from error

    def until_rollout_fails(self) -> Manifest:
        """Let the controllers believe that its rollout began long ago, until its Stalled says so; the live resource."""

        def failed() -> Manifest | None:
            # Again and again, because each step that the controller takes meanwhile is a new beginning to it.
            for component in ("api", "worker"):
                _pass_deadline(self.client, self.child("Deployment", component))
            live = self.live()
            return live if _has_condition(live, "Stalled", "True", "RolloutFailed") else None

        return eventually(failed, what=f"the rollout of {self.name} is out of time")

    def until_gone(self, *, timeout_seconds: float = READY_SECONDS) -> None:
        """Wait until neither it nor anything of its is left."""
        what = f"ApiService {self.name} is gone"
        eventually(lambda: self.client.get(self.manifest) is None, what=what, timeout_seconds=timeout_seconds)
        what = f"nothing of {self.name} is left"
        eventually(lambda: not self.children(), what=what, timeout_seconds=timeout_seconds)

    def children(self) -> dict[tuple[str, str], Manifest]:
        """Everything that carries its label, by kind and name."""
        found = {}
        for kind in kinds.CHILDREN:
            selected = f"{LABEL}={self.name}"
            for each in self.client.list(kind.api_version, kind.name, namespace=self.namespace, labelSelector=selected):
                found[kind.name, each["metadata"]["name"]] = each
        return found

    def child(self, kind: str, suffix: str) -> Manifest:
        """What names a child of it, there or not."""
        version = next(each.api_version for each in kinds.CHILDREN if each.name == kind)
        return {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": f"{self.name}-{suffix}", "namespace": self.namespace},
        }


def condition(resource: Manifest, name: str) -> Manifest:
    """One condition, or an empty one."""
    return next((each for each in resource.get("status", {}).get("conditions", ()) if each["type"] == name), {})


def _has_condition(live: Manifest, name: str, state: str, reason: str) -> bool:
    """Whether its status is about the newest spec, and a condition is so; an empty reason stands for any."""
    found = condition(live, name)
    current = live.get("status", {}).get("observedGeneration") == live["metadata"]["generation"]
    return current and found.get("status") == state and reason in ("", found.get("reason"))


def _pass_deadline(client: Client, deployment: Manifest) -> None:
    live = client.get(deployment)
    assert live is not None
    version, conditions = live["metadata"]["resourceVersion"], live["status"]["conditions"]
    for each in conditions:
        if each["type"] == "Progressing":
            if each["status"] == "False":
                return
            each["lastUpdateTime"] = "2026-01-01T00:00:00Z"
    change = {"metadata": {"resourceVersion": version}, "status": {"conditions": conditions}}
    try:
        client.merge(deployment, change, subresource="status")
    except ApiError as error:
        # The controller was quicker; what it said just now must not be replaced by what it said before.
        if error.code != 409:
            raise


def content(live: Manifest) -> Manifest:
    """What is meant to come back when somebody deletes or changes a child: all but identity, status and bookkeeping."""
    metadata = {key: live["metadata"].get(key) for key in ("labels", "ownerReferences")}
    rest = {key: value for key, value in live.items() if key not in {"metadata", "status", "spec"}}
    spec = live.get("spec", {})
    if live["kind"] == "Service":
        spec = {key: value for key, value in spec.items() if key not in SERVER_FIELDS}
    return rest | {"metadata": metadata, "spec": spec}
