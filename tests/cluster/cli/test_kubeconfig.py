"""A kubeconfig's fields on a real API server: whom it takes the command for, and by which way it is reached."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from fairlead_cli.__main__ import app
from fairlead_operator.errors import Unreachable
from fairlead_operator.kube import kubeconfig
from fairlead_operator.kube.client import Client
from fairlead_operator.kube.credentials import Credentials

from ..client import Client as Admin
from ..identity import Identity
from ..operator.harness import example

REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
Edit = Callable[..., Path]


@pytest.fixture
def edited(admin_config: Path, tmp_path: Path) -> Edit:
    """The administrator's kubeconfig with other fields of the user and of the cluster."""

    def write(user: dict[str, Any] | None = None, **cluster: Any) -> Path:
        content = yaml.safe_load(admin_config.read_text())
        content["users"][0]["user"] |= user or {}
        content["clusters"][0]["cluster"] |= cluster
        path = tmp_path / "edited.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def who(config: Path) -> dict[str, Any]:
    """Whom the server takes a command with this kubeconfig for."""

    async def ask() -> dict[str, Any]:
        clock = asyncio.get_running_loop().time
        async with Client(Credentials(lambda: kubeconfig.access(str(config)).info, clock=clock)) as client:
            review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
            return await client.request("POST", REVIEWS, body=review)

    answer: dict[str, Any] = asyncio.run(ask())["status"]["userInfo"]
    return answer


def test_the_server_takes_the_command_for_the_user_it_acts_as(edited: Edit) -> None:
    extra = {"scopes": ["view", "edit"], "example.com/team": ["shop"]}
    found = who(edited({"as": "somebody", "as-uid": "7", "as-groups": ["shop", "büro"], "as-user-extra": extra}))
    assert (found["username"], found["uid"], found["extra"]) == ("somebody", "7", extra)
    assert set(found["groups"]) >= {"shop", "büro"}


def plan(config: Path, namespace: str, folder: Path) -> tuple[int, str, str]:
    (folder / "resource.yaml").write_text(yaml.safe_dump(example(namespace)))
    done = CliRunner().invoke(app, ["plan", "-f", str(folder / "resource.yaml"), "--kubeconfig", str(config)])
    return done.exit_code, done.stdout, done.stderr


def test_nothing_is_planned_as_somebody_else(edited: Edit, namespace: str, tmp_path: Path) -> None:
    code, out, error = plan(edited({"as": "nobody"}), namespace, tmp_path)
    assert (code, out) == (1, "")
    assert f"you may not get apisvcs.fairlead.dev in the namespace {namespace}" in error
    code, out, _ = plan(edited({"as": "nobody", "as-groups": ["system:masters"]}), namespace, tmp_path)
    assert code == 0
    assert f"ApiService {namespace}/orders" in out


def test_who_may_not_act_as_somebody_else_is_refused_so(
    admin: Admin, edited: Edit, admin_config: Path, namespace: str, tmp_path: Path
) -> None:
    user = Identity(admin, namespace).create()
    token = yaml.safe_load(user.kubeconfig(admin_config, tmp_path).read_text())["users"][0]["user"]["token"]
    (tmp_path / "token").write_text(token)
    nothing = dict.fromkeys(("client-certificate-data", "client-key-data"))
    config = edited({"tokenFile": "token", **nothing})
    assert who(config)["username"] == f"system:serviceaccount:{namespace}:{user.name}"
    _, _, error = plan(edited({"tokenFile": "token", "as": "admin", **nothing}), namespace, tmp_path)
    assert "you may not act as the user that `as` of the kubeconfig names; ask for a role with impersonate" in error
    user.remove()


def test_the_certificate_has_to_be_for_the_name_that_is_given(edited: Edit) -> None:
    assert who(edited(**{"tls-server-name": "localhost"}))["username"]
    with pytest.raises(Unreachable, match=r"other\.example"):
        who(edited(**{"tls-server-name": "other.example"}))


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy's URL, and what it was asked to connect to."""
    asked: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, args=(server, asked))
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def serve(server: socket.socket, asked: list[str]) -> None:
    """Serve one connection after the other until the socket is closed."""
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            with client:
                connect(client, asked)


def connect(client: socket.socket, asked: list[str]) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    asked.append(head.split(b"\r\n")[0].decode())
    host, _, port = head.split(b" ")[1].decode().rpartition(":")
    with socket.create_connection((host, int(port))) as upstream:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=pump, args=(upstream, client))
        back.start()
        pump(client, upstream)
        back.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_the_proxy_of_the_kubeconfig_is_used(edited: Edit, admin_config: Path, proxy: tuple[str, list[str]]) -> None:
    url, asked = proxy
    server = yaml.safe_load(admin_config.read_text())["clusters"][0]["cluster"]["server"]
    assert who(edited(**{"proxy-url": url}))["username"]
    assert asked == [f"CONNECT {server.removeprefix('https://')} HTTP/1.1"]
