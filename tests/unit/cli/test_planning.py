"""How a plan is printed, and the message when a cluster cannot be asked. The plans themselves: tests/cluster/cli."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from fairlead_cli.__main__ import app
from fairlead_cli.plan import text as plan_text
from fairlead_cli.plan.changes import Action, Change, ServiceChanges
from fairlead_cli.plan.comparison import ABSENT, Difference
from fairlead_cli.plan.dry_run import denial
from fairlead_operator.errors import Forbidden
from fairlead_operator.manifests import Ref

PRODUCTS = Path(__file__).parents[3] / "examples" / "products.yaml"
ITSELF = Change(Action.UNCHANGED, Ref("fairlead.dev", "ApiService", "orders"))
DEPLOYMENT = Ref("apps", "Deployment", "orders-api")


def printed(*children: Change, is_terminal: bool = False) -> str:
    service = ServiceChanges("shop", "orders", ITSELF, "standard", list(children), ["take care"])
    out = io.StringIO()
    plan_text.show([service], Console(file=out, force_terminal=is_terminal, width=60))
    return out.getvalue()


def test_only_what_changes_is_printed() -> None:
    difference = Difference("spec.image", "one", ABSENT)
    text = printed(
        Change(Action.CREATE, Ref("", "ConfigMap", "orders-runtime-1")),
        Change(Action.CHANGE, DEPLOYMENT, differences=(difference,)),
        Change(Action.UNCHANGED, Ref("", "Service", "orders-grpc")),
        Change(Action.DELETE, Ref("batch", "Job", "orders-provision-1")),
        Change(Action.REFUSED, Ref("", "Service", "orders-api"), "no,\nnever"),
    )
    assert text.splitlines() == [
        "  ApiService shop/orders, class standard",
        "    note: take care",
        "  + ConfigMap orders-runtime-1",
        "  ~ Deployment orders-api",
        '      spec.image: "one" -> (none)',
        "  - Job orders-provision-1",
        "  ! Service orders-api: no, never",
        "Plan: 1 to create, 1 to change, 1 to delete, 2 unchanged, 1 refused.",
    ]


def test_of_long_values_the_part_that_differs_is_shown() -> None:
    before, after = "a" * 300 + "b" + "c" * 300, "a" * 300 + "d" + "c" * 300
    text = printed(Change(Action.CHANGE, DEPLOYMENT, differences=(Difference("data.x", before, after),)))
    line = next(line for line in text.splitlines() if "data.x" in line)
    assert "aab" in line
    assert "aad" in line
    assert len(line) < 250


def test_what_a_cluster_says_does_not_steer_the_terminal() -> None:
    text = printed(Change(Action.REFUSED, DEPLOYMENT, "\x1b[2J[bold]x"))
    assert "\x1b" not in text
    assert "[bold]x" in text


def test_there_are_colours_on_a_terminal_only() -> None:
    change = Change(Action.CREATE, DEPLOYMENT)
    assert "\x1b[32m" in printed(change, is_terminal=True)
    assert "\x1b" not in printed(change)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            'x is forbidden: User "u" cannot patch resource "deployments" in API group "apps" in the namespace "shop"',
            (
                "you may not patch deployments.apps in the namespace shop; ask for a role that allows it "
                "(a dry run needs the right to write)"
            ),
        ),
        (
            (
                'x is forbidden: User "u" cannot list resource "apisvcclasses" in API group "fairlead.dev" '
                "at the cluster scope"
            ),
            "you may not list apisvcclasses.fairlead.dev in the cluster; ask for a role that allows it",
        ),
        ("x is forbidden: exceeded quota: few", "x is forbidden: exceeded quota: few"),
    ],
    ids=["a write", "cluster-wide", "no matter of rights"],
)
def test_a_missing_right_is_named(message: str, expected: str) -> None:
    assert denial(Forbidden("PATCH /x", code=403, reason="Forbidden", message=message)) == expected


Answer = Callable[[str], tuple[int, dict[str, Any]]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[[Answer], Path]]:
    """A server that answers as the test sets it; its kubeconfig."""
    servers: list[ThreadingHTTPServer] = []

    def serve(answer: Answer) -> Path:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, content = answer(self.path)
                self.send_response(code)
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, *_: object) -> None: ...

        found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(found)
        threading.Thread(target=found.serve_forever, daemon=True).start()
        return kubeconfig(tmp_path, f"http://127.0.0.1:{found.server_port}")

    yield serve
    for each in servers:
        each.shutdown()
        each.server_close()


def kubeconfig(folder: Path, address: str) -> Path:
    path = folder / "config"
    content = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": address}}],
        "users": [{"name": "a", "user": {"token": "hush"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def plan(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["plan", "-f", str(PRODUCTS), *(str(each) for each in arguments)])
    return done.exit_code, done.stdout, done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (404, "404 page not found", "ApiService is not defined in this cluster; install the chart fairlead-crds"),
        (401, "Unauthorized", "does not accept the credentials; log in again, or choose another --context"),
        (
            403,
            'forbidden: User "system:anonymous" cannot get path "/apis"',
            "does not accept the credentials; log in again, or choose another --context",
        ),
        (500, "etcd is away", "answers etcd is away; try again"),
    ],
    ids=["no definitions", "a bad token", "no token", "a fault"],
)
def test_a_cluster_that_does_not_answer_is_reported(
    server: Callable[[Answer], Path], code: int, message: str, expected: str
) -> None:
    found, out, error = plan("--kubeconfig", server(lambda _: (code, {"message": message})))
    assert (found, out) == (1, "")
    assert error.startswith("fairlead plan: ")
    assert error.endswith(expected)
    assert "hush" not in error


def test_a_cluster_that_cannot_be_reached_is_reported(tmp_path: Path) -> None:
    code, out, error = plan("--kubeconfig", kubeconfig(tmp_path, "http://127.0.0.1:9"))
    assert (code, out) == (1, "")
    assert error.startswith("fairlead plan: http://127.0.0.1:9 cannot be reached ([Errno ")
    assert error.endswith("; check the address, the network and --context")


def test_another_namespace_than_the_files_is_refused() -> None:
    done = CliRunner().invoke(app, ["plan", "-f", str(PRODUCTS.with_name("orders.yaml")), "-n", "other"])
    assert done.exit_code == 1
    assert "metadata.namespace: --namespace is other; leave one of them out" in done.stderr


def test_an_unknown_capability_is_a_usage_error() -> None:
    done = CliRunner().invoke(app, ["plan", "-f", str(PRODUCTS), "--capabilities", "istio"])
    assert done.exit_code == 2
