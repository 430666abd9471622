"""The `spec.security` and `spec.grpc` parts: who may call, how often, and over which wire."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from fairlead_contract.spec.api import Operation
from fairlead_contract.spec.model import (
    SET_LIST,
    Duration,
    FieldName,
    Model,
    ObjectName,
    Origin,
    ResourceName,
    Rule,
    SecretName,
    ShortText,
)


class Anonymous(StrEnum):
    ALLOW = "Allow"
    DENY = "Deny"


class Jwt(Model):
    """JWTs of an OpenID Connect issuer."""

    issuer: str = Field(pattern=r"^https://[!-~]+$", max_length=512, description="Issuer (iss), an https URL.")
    audiences: tuple[ShortText, ...] = Field(
        min_length=1, max_length=16, description="Accepted audiences (aud).", json_schema_extra=SET_LIST
    )
    jwks_url: str | None = Field(
        default=None,
        pattern=r"^https://[!-~]+$",
        max_length=512,
        description="Where the keys are. Default: from the issuer's discovery document.",
    )


class ApiKeys(Model):
    """API keys from a Secret."""

    secret: SecretName = Field(description="Secret with the hashed keys in `keys`.")


class Authentication(Model):
    """How callers prove who they are."""

    anonymous: Anonymous = Field(default=Anonymous.DENY, description="Whether callers without credentials are let in.")
    jwt: Jwt | None = Field(default=None, description="Accept JWTs.")
    api_keys: ApiKeys | None = Field(default=None, description="Accept API keys.")


class AuthorizationRule(Model):
    """What callers with all of these scopes may do."""

    resources: tuple[ResourceName, ...] = Field(
        default=(), max_length=32, description="Resources the rule is about. Default: all.", json_schema_extra=SET_LIST
    )
    operations: tuple[Operation, ...] = Field(
        default=(), max_length=6, description="Operations. Default: all.", json_schema_extra=SET_LIST
    )
    scopes: tuple[ShortText, ...] = Field(
        default=(), max_length=32, description="Scopes the caller must have, all of them.", json_schema_extra=SET_LIST
    )


class RateLimitKey(StrEnum):
    PRINCIPAL = "Principal"
    ADDRESS = "Address"
    SERVICE = "Service"


class RateLimit(Model):
    """How many requests a caller may send."""

    requests: int = Field(ge=1, le=1_000_000, description="Requests per period.")
    period: Duration = Field(default="1s", description="Length of the period.")
    burst: int | None = Field(default=None, ge=1, le=1_000_000, description="Requests at once. Default: requests.")
    key: RateLimitKey = Field(default=RateLimitKey.PRINCIPAL, description="What is counted together.")


class FilterMode(StrEnum):
    BLOCK = "Block"
    DETECT = "Detect"
    DISABLED = "Disabled"


class RequestFilter(Model):
    """A filter for malicious requests. It is not a web application firewall."""

    mode: FilterMode = Field(default=FilterMode.BLOCK, description="Block (403), Detect (log and count) or Disabled.")


class IssuerKind(StrEnum):
    ISSUER = "Issuer"
    CLUSTER_ISSUER = "ClusterIssuer"


class Issuer(Model):
    """A cert-manager issuer."""

    kind: IssuerKind = Field(default=IssuerKind.ISSUER, description="Issuer (of the namespace) or ClusterIssuer.")
    name: ObjectName = Field(description="Name of the issuer.")


class ServerTls(Model):
    """TLS in the pod."""

    secret: SecretName = Field(description="Secret with tls.crt and tls.key.")
    issuer: Issuer | None = Field(
        default=None, description="Let cert-manager write the Secret. Default: somebody else does."
    )


class Method(StrEnum):
    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


# What the API reads, and browsers ask for before they send it.
_READ = (
    "Authorization",
    "Cache-Control",
    "Content-Encoding",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Prefer",
    "Traceparent",
    "X-Request-ID",
)


class Cors(Model):
    """Which pages of other origins may call the API from a browser (CORS)."""

    RULES = (
        Rule(
            "!self.?credentials.orValue(false) || !('*' in self.origins)",
            "credentials do not go with the origin `*`; name the origins",
            ".origins",
        ),
        Rule(
            "self.origins.all(o, !(o.startsWith('https://') && o.endsWith(':443'))"
            " && !(o.startsWith('http://') && o.endsWith(':80')))",
            "browsers leave the default port out of an origin; leave it out",
            ".origins",
        ),
    )
    origins: tuple[Origin, ...] = Field(
        min_length=1,
        max_length=64,
        description="Origins as browsers send them (`https://app.example.com`), hosts below one "
        "(`https://*.example.com`), or `*` for all.",
        json_schema_extra=SET_LIST,
    )
    methods: tuple[Method, ...] = Field(
        default=tuple(Method),
        min_length=1,
        max_length=6,
        description="Methods that they may use.",
        json_schema_extra=SET_LIST,
    )
    headers: tuple[FieldName, ...] = Field(
        default=_READ,
        max_length=64,
        description="Header fields that they may send. Default: those that the API reads.",
        json_schema_extra=SET_LIST,
    )
    credentials: bool = Field(
        default=False, description="Whether browsers may send cookies and other credentials of their own accord."
    )
    max_age: Duration = Field(default="10m", description="How long browsers may remember all this.")


class Security(Model):
    """Authentication, authorization and limits."""

    authentication: Authentication | None = Field(default=None, description="Default: the API is anonymous.")
    authorization: Annotated[tuple[AuthorizationRule, ...], Field(max_length=64)] = Field(
        default=(),
        description="Rules; a request needs one that matches. Default: every authenticated caller may do all.",
    )
    rate_limit: RateLimit | None = Field(default=None, description="Default: no limit.")
    request_filter: RequestFilter | None = Field(default=None, description="Default: disabled.")
    cors: Cors | None = Field(default=None, description="Default: no page of another origin may read an answer.")
    max_body_bytes: int = Field(
        default=1_048_576, ge=1024, le=10_485_760, description="Largest request body, in bytes."
    )
    tls: ServerTls | None = Field(default=None, description="Serve HTTP/2 over TLS 1.3. Default: plain HTTP.")


class Mtls(Model):
    """Mutual TLS."""

    secret: SecretName = Field(description="Secret with tls.crt, tls.key and ca.crt.")
    issuer: Issuer | None = Field(
        default=None, description="Let cert-manager write the Secret. Default: somebody else does."
    )
    max_age: Duration | None = Field(
        default=None, description="Longest life of a connection before certificates are re-read."
    )


class Grpc(Model):
    """The same resources over gRPC, for callers inside the cluster."""

    enabled: bool = Field(default=False, description="Serve gRPC on port 50051.")
    mtls: Mtls | None = Field(default=None, description="Require client certificates.")
