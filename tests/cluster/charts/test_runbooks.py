"""docs/alerts.md: every command for a cluster is typed as it stands, and finds what it looks for."""

import json
import logging
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from tests.pages import Code, blocks, pieces

from fairlead_operator import logs as operator_logs
from fairlead_workload.telemetry import logs as workload_logs

from ..client import Client, Manifest
from ..controlplane import ADMINS, Cluster
from ..identity import LEASE_NAME
from ..kubelet import Kubelet
from ..operator.harness import Running, example, info, settings
from ..simulator import Simulator
from ..waiting import eventually
from .resources import named

Shell = Callable[[str], "subprocess.CompletedProcess[str]"]
PAGE = "alerts.md"
ALERTS = "Alerts"  # the heading above what is for all of them
OTHER_PLACES = "fairlead dlq"  # for a laptop: tests/integration/process
MAY_FIND_NOTHING = ("get events ",)

REQUEST = {"level": "info", "message": "request", "route": "/v1/orders", "status": 202, "duration_ms": 3.2}
WORKLOAD = [
    (logging.WARNING, "dependency down", {"dependency": "datastore", "reason": "connection refused"}),
    (logging.WARNING, "dependency down", {"dependency": "cache", "reason": "connection refused"}),
    (
        logging.INFO,
        "retry",
        {
            "event_type": "orders.created",
            "key": "orders/a",
            "step": "charge",
            "called_service": "payments",
            "error_code": "http-503",
            "error": "step charge: payments POST /charge: answered 503",
        },
    ),
    (
        logging.WARNING,
        "dead letter",
        {
            "event_type": "orders.created",
            "key": "orders/a",
            "error_class": "Rejected",
            "error_code": "http-402",
            "error": "step charge: payments POST /charge: answered 402",
        },
    ),
]
OPERATOR = [
    (logging.WARNING, "the lease could not be renewed", {"error": "403"}),
    (logging.WARNING, "the pass failed", {"resource": "shop/orders", "error": "403"}),
    (logging.WARNING, "watching failed", {"kind": "Deployment", "error": "500"}),
    (logging.WARNING, "kopf starts anew", {"why": "ended", "pause_seconds": 1.0}),
]


def line(formatter: logging.Formatter, level: int, message: str, fields: dict[str, object]) -> str:
    record = logging.makeLogRecord(
        {"levelno": level, "levelname": logging.getLevelName(level), "msg": message, **fields}
    )
    return formatter.format(record)


def written(namespace: str, pod: str) -> bytes:
    """What the containers have logged, in the form that they write."""
    del namespace
    if not pod.startswith("orders-"):
        form: logging.Formatter = operator_logs.JsonFormatter()
        lines = [line(form, *each) for each in OPERATOR]
    else:
        form = workload_logs.JsonFormatter("orders", "shop")
        lines = [line(form, *each) for each in WORKLOAD]
        lines += [json.dumps(REQUEST | {"status": status}) for status in (202, 403, 503)]
    return "".join(f"{each}\n" for each in lines).encode()


def test_the_lines_are_of_messages_and_fields_that_are_logged() -> None:
    page = (Path(__file__).parents[3] / "docs" / "log-events.md").read_text()
    for _, message, fields in (*WORKLOAD, *OPERATOR):
        [row] = re.findall(rf"^\| `{message}` \|.*$", page, re.MULTILINE)
        assert fields.keys() - {"resource"} <= set(re.findall(r"`(\w+)`", row)), message


@pytest.fixture
def shop(admin: Client, cluster: Cluster) -> Iterator[str]:
    """A namespace in which pods become ready and Jobs succeed."""
    name = named("shop")
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    with Client(cluster.kubeconfig("admin", groups=ADMINS)) as client:
        simulator = Simulator(client, name)
        simulator.start()
        yield name
        simulator.stop()
    admin.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


@pytest.fixture
def orders(
    admin: Client, shop: str, system: str, install: Callable[..., str], account: Callable[[str], Path]
) -> Iterator[None]:
    """The chart is installed, and an operator with its rights has made the orders example, and the service it calls."""
    install()
    port = {"port": 8080, "protocol": "TCP"}
    payments: Manifest = {"metadata": {"name": "payments", "namespace": shop}}
    labels = {"kubernetes.io/service-name": "payments"}
    admin.create({"apiVersion": "v1", "kind": "Service", **payments, "spec": {"ports": [port]}})
    admin.create(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": payments["metadata"] | {"labels": labels},
            "addressType": "IPv4",
            "ports": [port],
            "endpoints": [{"addresses": ["192.0.2.1"]}],
        }
    )
    config = account(shop)
    operator = Running(settings("", lease_namespace=system, lease_name=LEASE_NAME), lambda: info(config))
    operator.start()
    resource = admin.create(example(shop))
    eventually(lambda: is_ready(admin.get(resource)), what="the example is ready")
    yield
    operator.stop()


def is_ready(resource: Manifest | None) -> bool:
    conditions = (resource or {}).get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


@pytest.fixture
def kubelet(admin: Client, shop: str, system: str, orders: None, tmp_path: Path) -> Iterator[Kubelet]:
    """A node that has the pods of both namespaces, and their logs."""
    kubelet = Kubelet(admin, written, tmp_path)
    kubelet.start()
    for namespace in (shop, system):
        eventually(lambda namespace=namespace: kubelet.take(namespace), what=f"{namespace} has pods")
    yield kubelet
    kubelet.stop()


def typed() -> list[tuple[str, str]]:
    """The commands for a cluster, each with its alert."""
    shown = blocks(PAGE, "sh")
    lines = [(block.heading, each) for block in shown for each in block.text.splitlines()]
    return [(alert, each) for alert, each in lines if not each.startswith(OTHER_PLACES)]


def test_every_runbook_has_commands_and_every_command_is_typed_somewhere() -> None:
    headings = {piece.heading for piece in pieces(PAGE) if isinstance(piece, Code) and piece.language == "sh"}
    alerts = set(re.findall(r"^## (\w+)$", (Path(__file__).parents[3] / "docs" / PAGE).read_text(), re.MULTILINE))
    assert headings == alerts | {ALERTS}
    assert all(command.startswith("kubectl ") for _, command in typed())


def test_the_commands_of_the_runbooks_work_as_they_stand(
    shell: Shell, shop: str, system: str, kubelet: Kubelet, admin: Client
) -> None:
    assert shutil.which("jq"), "jq is missing; install it"
    failed = []
    for alert, command in typed():
        for namespace in (shop, system):
            kubelet.take(namespace)  # those that a patch has made
        here = re.sub(r"-n shop\b", f"-n {shop}", command).replace("fairlead-system", system)
        done = shell(f"set -o pipefail; {here}")
        finds = done.stdout.strip() or any(text in command for text in MAY_FIND_NOTHING)
        if done.returncode != 0 or not finds:
            failed.append(f"{alert}: {command}\n{done.returncode} {done.stdout}{done.stderr}")
    assert not failed, "\n\n".join(failed)
    read = {each.partition("/")[2].rpartition("-")[0].rpartition("-")[0] for each in kubelet.requests}
    assert {"orders-api", "orders-worker", "fairlead"} <= read


def test_the_queries_of_the_runbooks_are_sound(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing; install Prometheus, on Debian with `apt-get install prometheus`"
    queries = [each for block in blocks(PAGE, "promql") for each in block.text.splitlines()]
    rules = [{"record": f"query:number{number}", "expr": each} for number, each in enumerate(queries)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(queries)} rules found" in done.stdout
