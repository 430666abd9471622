"""The part of a kubelet that `kubectl logs` needs: a node on loopback that answers for the logs of its containers.

Pods are put on the node by hand, because no scheduler runs; what a container wrote is given by the test.
"""

import ssl
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .certificates import Authority
from .client import Client, Manifest

Written = Callable[[str, str], bytes]
"""What the container of a pod has written, by namespace and pod."""


class Kubelet:
    """A node between `start` and `stop`. `requests` are the pods whose logs were read, as NAMESPACE/NAME."""

    def __init__(self, client: Client, written: Written, scratch: Path) -> None:
        self._client = client
        self._written = written
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        public, private = Authority("kubelet").issue("kubelet", addresses=["127.0.0.1"]).write(scratch, "kubelet")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(public, private)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.node: Manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{uuid.uuid4().hex[:8]}"}}
        self.requests: list[str] = []

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self._client.create(self.node)
        address = {"type": "InternalIP", "address": "127.0.0.1"}
        endpoint = {"kubeletEndpoint": {"Port": self._server.server_port}}
        status = {"addresses": [address], "daemonEndpoints": endpoint}
        self._client.merge(self.node, {"status": status}, subresource="status")

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.delete(self.node)

    def take(self, namespace: str) -> list[Manifest]:
        """Put every pod of a namespace that has no node on this one; those that it has now."""
        for pod in self._client.list("v1", "Pod", namespace=namespace):
            if not pod["spec"].get("nodeName"):
                name = pod["metadata"]["name"]
                binding = {
                    "apiVersion": "v1",
                    "kind": "Binding",
                    "metadata": {"name": name, "namespace": namespace},
                    "target": {"kind": "Node", "name": self.node["metadata"]["name"]},
                }
                path = self._client.path("v1", "Pod", namespace=namespace, name=name)
                self._client.request("POST", f"{path}/binding", body=binding)
        owned = {"fieldSelector": f"spec.nodeName={self.node['metadata']['name']}"}
        return self._client.list("v1", "Pod", namespace=namespace, **owned)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        kubelet = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _, kind, namespace, pod, *_ = self.path.partition("?")[0].split("/")
                body = kubelet._written(namespace, pod) if kind == "containerLogs" else b""
                kubelet.requests.append(f"{namespace}/{pod}")
                self.send_response(200)
                self.send_header("content-type", "text/plain")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        return Handler
