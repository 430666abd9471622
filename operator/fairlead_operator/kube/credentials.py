"""Where the API server is and who we are: in a pod by its ServiceAccount (kopf's login function), else by a kubeconfig.

A mounted token is replaced every hour by the kubelet, so it is read again once a minute, and at once after a 401.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass

import kopf

from fairlead_operator.kube import kubeconfig
from fairlead_operator.kube.kubeconfig import Login

REREAD_SECONDS = 60.0


class LoginError(Exception):
    """There is neither a ServiceAccount token nor a kubeconfig; the text says what to set."""


@dataclass(frozen=True)
class Connection:
    """What a session needs: `server` is the base URL, `headers` carry the credentials; a name may come several times.

    `server_name` is the one that the server's certificate has to be for, if not the one in its URL.
    """

    server: str
    headers: tuple[tuple[str, str], ...]
    tls: ssl.SSLContext
    proxy: str | None = None
    server_name: str | None = None


def login() -> kopf.ConnectionInfo:
    """The connection of this process: in a pod its ServiceAccount, elsewhere the kubeconfig that KUBECONFIG names."""
    info = kopf.login_with_service_account(settings=kopf.OperatorSettings())
    if info is not None:
        return info
    try:
        return kubeconfig.access().info
    except kubeconfig.Unusable as error:
        raise LoginError(f"no credentials: neither a ServiceAccount token, nor a kubeconfig: {error}") from None


class Credentials:
    """The current connection. The TLS context is made anew only when certificates changed."""

    def __init__(self, source: Callable[[], kopf.ConnectionInfo] = login, *, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._read_at = float("-inf")
        self._info: kopf.ConnectionInfo | None = None
        self._connection: Connection | None = None

    def current(self) -> Connection:
        """The connection, read again when it is older than a minute."""
        if self._connection is None or self._clock() - self._read_at > REREAD_SECONDS:
            self.refresh()
        assert self._connection is not None  # noqa: S101  # refresh either sets it or raises
        return self._connection

    def refresh(self) -> None:
        """Read the credentials again."""
        info = self._source()
        self._read_at = self._clock()
        if info == self._info:
            return
        keep = self._info is not None and self._connection is not None and _tls_parts(info) == _tls_parts(self._info)
        tls = self._connection.tls if keep and self._connection else info.as_ssl_context()
        self._info = info
        name, extra = (info.server_name, info.extra_headers) if isinstance(info, Login) else (None, ())
        headers = (*info.as_http_headers().items(), *extra)
        self._connection = Connection(info.server.rstrip("/"), headers, tls, info.proxy_url, name)


def _tls_parts(info: kopf.ConnectionInfo) -> tuple[object, ...]:
    return (
        info.ca_path,
        info.ca_data,
        info.insecure,
        info.certificate_path,
        info.certificate_data,
        info.private_key_path,
        info.private_key_data,
    )
