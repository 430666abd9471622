"""What the class, or the cluster, does not allow. Admission has checked the class's limits; a class changes later.

In a pattern, `*` is any run of characters, nothing else is special, and case does not matter.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from fairlead_contract.spec.apiservice import ApiService, ApiServiceSpec
from fairlead_contract.spec.apiserviceclass import ApiServiceClass, ClassLimits
from fairlead_contract.spec.bindings import Cache, Datastore, Queue
from fairlead_contract.spec.hosting import GatewayRef, ScalingBackend
from fairlead_contract.validation.sizes import OPENAPI_DOCUMENT, REMEDY, RUNTIME_DOCUMENT, oversize
from fairlead_operator.plan.children import Plan, Violation
from fairlead_operator.plan.workload.config_maps import OPENAPI_KEY, RUNTIME_KEY


def violations(resource: ApiService, class_: ApiServiceClass, made: Plan) -> tuple[Violation, ...]:
    """Everything that keeps the plan `made` from being carried out, in the order of the specification's parts."""
    limits, spec = class_.spec.limits, resource.spec
    return (
        *_types(spec, limits),
        *_hosts(resource, limits),
        *_image(spec, limits),
        *_replicas(spec, limits),
        *_exposure(resource, limits),
        *_documents(made),
    )


def matches(pattern: str, text: str) -> bool:
    """Whether `text` fits `pattern`, in which `*` stands for any characters."""
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, text, re.IGNORECASE) is not None


def _types(spec: ApiServiceSpec, limits: ClassLimits) -> Iterator[Violation]:
    bindings = (
        ("datastore", spec.datastore.type, limits.datastores),
        ("cache", spec.cache.type, limits.caches),
        ("queue", spec.queue.type if spec.queue is not None else None, limits.queues),
    )
    for part, type_, allowed in bindings:
        # No cache is no use of one, whatever the class says.
        if type_ is not None and allowed is not None and type_ not in allowed and type_ != "None":
            message = f"the class does not allow {part} type {type_}; use {_listed([str(each) for each in allowed])}"
            yield Violation("TypeNotAllowed", f"spec.{part}.type", message)


def _listed(allowed: list[str]) -> str:
    return f"one of: {', '.join(allowed)}" if allowed else "none"


def _hosts(resource: ApiService, limits: ClassLimits) -> Iterator[Violation]:
    if limits.endpoints is None:
        return
    for path, host in _endpoints(resource.spec):
        if _inside(host, resource.metadata.namespace) or any(matches(each, host) for each in limits.endpoints):
            continue
        message = f"the class does not allow the host {host} outside the namespace; use one that it allows"
        yield Violation("EndpointNotAllowed", f"spec.{path}", message)


def _inside(host: str, namespace: str) -> bool:
    """Whether `host` can only be a Service of the namespace.

    `NAME.NAMESPACE` can be more than that: a namespace may be called as a top-level domain is, such as `dev`. And a
    label that starts with a digit may be an address.
    """
    name, *domain = host.lower().split(".")
    return name[:1].isalpha() and domain in ([], [namespace, "svc"], [namespace, "svc", "cluster", "local"])


def _endpoints(spec: ApiServiceSpec) -> Iterator[tuple[str, str]]:
    yield from _datastore_hosts(spec.datastore)
    yield from _cache_hosts(spec.cache)
    yield from _queue_hosts(spec.queue)
    authentication = spec.security.authentication if spec.security is not None else None
    if authentication is not None and authentication.jwt is not None:
        for name, url in (("issuer", authentication.jwt.issuer), ("jwksUrl", authentication.jwt.jwks_url)):
            if url is not None:
                yield f"security.authentication.jwt.{name}", urlsplit(url).hostname or ""


def _datastore_hosts(datastore: Datastore) -> Iterator[tuple[str, str]]:
    for member, server in (("postgresql", datastore.postgresql), ("mysql", datastore.mysql)):
        if server is None:
            continue
        yield f"datastore.{member}.host", server.host
        if server.read_replica is not None:
            yield f"datastore.{member}.readReplica.host", server.read_replica.host
    direct = datastore.direct_server
    if direct is not None:
        yield "datastore.postgresql.pooler.direct.host", direct.host


def _cache_hosts(cache: Cache) -> Iterator[tuple[str, str]]:
    redis = cache.redis
    if redis is None:
        return
    if redis.address is not None:
        yield "cache.redis.address", _host(redis.address)
    for member, part in (("sentinel", redis.sentinel), ("cluster", redis.cluster)):
        for position, address in enumerate(part.addresses if part is not None else ()):
            yield f"cache.redis.{member}.addresses[{position}]", _host(address)


def _queue_hosts(queue: Queue | None) -> Iterator[tuple[str, str]]:
    servers = queue.kafka.bootstrap_servers if queue is not None and queue.kafka is not None else ()
    for position, address in enumerate(servers):
        yield f"queue.kafka.bootstrapServers[{position}]", _host(address)


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def _image(spec: ApiServiceSpec, limits: ClassLimits) -> Iterator[Violation]:
    image = spec.runtime.image if spec.runtime is not None else None
    if image is None or limits.images is None or any(matches(each, image) for each in limits.images):
        return
    yield Violation(
        "ImageNotAllowed", "spec.runtime.image", f"the class does not allow the image {image}; leave it out"
    )


def _replicas(spec: ApiServiceSpec, limits: ClassLimits) -> Iterator[Violation]:
    most = limits.max_replicas
    if most is None or spec.scaling.backend is ScalingBackend.NONE:
        return
    roles = [("api", spec.scaling.api.max), *([("worker", spec.scaling.worker.max)] if spec.queue is not None else [])]
    for role, replicas in roles:
        if replicas > most:
            message = f"the class allows at most {most} replicas, not {replicas}; set max to {most} or less"
            yield Violation("TooManyReplicas", f"spec.scaling.{role}.max", message)


def _exposure(resource: ApiService, limits: ClassLimits) -> Iterator[Violation]:
    gateway, ingress = resource.spec.exposure.gateway, resource.spec.exposure.ingress
    if gateway is not None:
        yield from _parent(gateway.parent_ref, resource.metadata.namespace, limits)
        yield from _hostnames("gateway", gateway.hostnames, limits)
    if ingress is not None:
        yield from _hostnames("ingress", ingress.hostnames, limits)
        for name in ingress.annotations:
            if limits.annotations is not None and not any(matches(each, name) for each in limits.annotations):
                path = f'spec.exposure.ingress.annotations["{name}"]'
                yield Violation(
                    "AnnotationNotAllowed", path, f"the class does not allow the annotation {name}; drop it"
                )


def _parent(gateway: GatewayRef, namespace: str, limits: ClassLimits) -> Iterator[Violation]:
    if limits.parent_refs is None:
        return
    parent = (gateway.name, gateway.namespace or namespace)
    if parent in [(each.name, each.namespace or namespace) for each in limits.parent_refs]:
        return
    message = f"the class does not allow the Gateway {parent[1]}/{parent[0]}; use one that it allows"
    yield Violation("GatewayNotAllowed", "spec.exposure.gateway.parentRef", message)


def _hostnames(member: str, hostnames: tuple[str, ...], limits: ClassLimits) -> Iterator[Violation]:
    if limits.hostnames is None:
        return
    path = f"spec.exposure.{member}.hostnames"
    if not hostnames:
        yield Violation("HostnameNotAllowed", path, "without host names the API would take every one; name some")
    for position, name in enumerate(hostnames):
        if not any(matches(each, name) for each in limits.hostnames):
            message = f"the class does not allow the host name {name}; use one that it allows"
            yield Violation("HostnameNotAllowed", f"{path}[{position}]", message)


def _documents(made: Plan) -> Iterator[Violation]:
    texts = {key: text for child in made.children for key, text in child.manifest.get("data", {}).items()}
    for key, name in ((RUNTIME_KEY, RUNTIME_DOCUMENT), (OPENAPI_KEY, OPENAPI_DOCUMENT)):
        if message := oversize(name, texts[key]):
            yield Violation("DocumentTooLarge", "spec.api.resources", f"{message}; {REMEDY}")
