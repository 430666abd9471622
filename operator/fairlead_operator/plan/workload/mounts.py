"""The files of a container: runtime document, dead letters' settings, Secrets, and where it may write.

Secrets come as one projected volume of exactly the keys that are documented, each in the folder of its
role. They are mounted whole, never by `subPath`, so that a rotated Secret arrives without a restart. A component gets
the Secrets it uses and no others.
"""

from collections.abc import Iterator

from fairlead_contract.names import DATA_DIR, DEAD_LETTER_FILE, RUNTIME_FILE, SECRETS_DIR, SecretFolder
from fairlead_contract.spec.bindings import ServerAuthentication, Tls
from fairlead_contract.spec.model import SecretName
from fairlead_operator.manifests import Manifest
from fairlead_operator.plan.context import PlanRequest

READ_ONLY_MODE = 0o440  # the group is fsGroup
SCRATCH_SIZE, DATA_SIZE = "64Mi", "1Gi"
_LOGIN = ("username", "password")
_CA = ("ca.crt",)
_PAIR = ("tls.crt", "tls.key")


def volumes(request: PlanRequest, *, serves: bool) -> list[Manifest]:
    """The volumes of a pod. `serves`: it has the API's listener; then dead letters concern it only in development."""
    volumes_of_pod: list[Manifest] = [
        {"name": "runtime", "configMap": {"name": request.child_name(f"runtime-{request.runtime_hash}")}}
    ]
    if request.spec.queue is not None and (request.development or not serves):
        volumes_of_pod.append({"name": "dead-letter", "configMap": {"name": request.child_name("dead-letter")}})
    return _volumes(request, volumes_of_pod, serves=serves)


def teardown_volumes(request: PlanRequest) -> list[Manifest]:
    """The volumes of the teardown Job, which outlives every other ConfigMap."""
    name = request.child_name("teardown")
    volumes_of_pod: list[Manifest] = [{"name": "runtime", "configMap": {"name": name, "items": [_item(RUNTIME_FILE)]}}]
    if request.spec.queue is not None:
        volumes_of_pod.append({"name": "dead-letter", "configMap": {"name": name, "items": [_item(DEAD_LETTER_FILE)]}})
    return _volumes(request, volumes_of_pod, serves=False)


def _item(path: str) -> Manifest:
    file = path.rpartition("/")[2]
    return {"key": file, "path": file}


def _volumes(request: PlanRequest, volumes_of_pod: list[Manifest], *, serves: bool) -> list[Manifest]:
    sources = [_source(*each) for each in _secrets(request, serves=serves)]
    if sources:
        volumes_of_pod.append({"name": "secrets", "projected": {"defaultMode": READ_ONLY_MODE, "sources": sources}})
    volumes_of_pod.append({"name": "tmp", "emptyDir": {"sizeLimit": SCRATCH_SIZE}})
    if request.development:
        volumes_of_pod.append({"name": "data", "emptyDir": {"sizeLimit": DATA_SIZE}})
    return volumes_of_pod


def mounts(volumes_of_pod: list[Manifest]) -> list[Manifest]:
    """Where the container finds each volume."""
    places = {
        "runtime": RUNTIME_FILE.rpartition("/")[0],
        "dead-letter": DEAD_LETTER_FILE.rpartition("/")[0],
        "secrets": SECRETS_DIR,
        "tmp": "/tmp",  # noqa: S108 - a place in the container, of its own
        "data": DATA_DIR,
    }
    writable = ("tmp", "data")
    return [
        {"name": volume["name"], "mountPath": places[volume["name"]]}
        | ({} if volume["name"] in writable else {"readOnly": True})
        for volume in volumes_of_pod
    ]


def _source(folder: SecretFolder, secret: SecretName, keys: tuple[str, ...]) -> Manifest:
    items = [{"key": key, "path": f"{folder}/{key}"} for key in keys]
    return {"secret": {"name": secret.name, "items": items}}


_Secret = tuple[SecretFolder, SecretName, tuple[str, ...]]


def _secrets(request: PlanRequest, *, serves: bool) -> Iterator[_Secret]:
    server = request.spec.datastore.server
    if server is not None:
        keys = _LOGIN if server.authentication is ServerAuthentication.PASSWORD else _LOGIN[:1]
        yield SecretFolder.DATASTORE, server.credentials_secret, keys
        yield from _tls(server.tls, SecretFolder.DATASTORE_CA, SecretFolder.DATASTORE_CLIENT)
    redis = request.spec.cache.redis
    if redis is not None:
        if redis.credentials_secret is not None:
            yield SecretFolder.CACHE, redis.credentials_secret, _LOGIN
        yield from _tls(redis.tls, SecretFolder.CACHE_CA, SecretFolder.CACHE_CLIENT)
    kafka = request.spec.queue.kafka if request.spec.queue is not None else None
    if kafka is not None:
        if kafka.sasl is not None:
            yield SecretFolder.QUEUE, kafka.sasl.credentials_secret, _LOGIN
        yield from _tls(kafka.tls, SecretFolder.QUEUE_CA, SecretFolder.QUEUE_CLIENT)
    if serves:
        yield from _served(request)


def _served(request: PlanRequest) -> Iterator[_Secret]:
    security = request.document.security
    if security.authentication is not None and security.authentication.api_keys is not None:
        yield SecretFolder.API_KEYS, security.authentication.api_keys.secret, ("keys",)
    if security.tls is not None:
        yield SecretFolder.TLS, security.tls.secret, _PAIR
    grpc = request.document.grpc
    if grpc.enabled and grpc.mtls is not None:
        yield SecretFolder.GRPC, grpc.mtls.secret, (*_PAIR, *_CA)


def _tls(tls: Tls | None, ca: SecretFolder, client: SecretFolder) -> Iterator[_Secret]:
    if tls is not None and tls.ca_secret is not None:
        yield ca, tls.ca_secret, _CA
    if tls is not None and tls.client_secret is not None:
        yield client, tls.client_secret, _PAIR
