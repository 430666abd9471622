"""Operators as processes: killed, started again, paused and ended."""

from pathlib import Path

from ..access import OperatorAccess
from ..client import Client, Manifest
from ..operator.harness import settings
from ..waiting import eventually
from .process import ForkServer, Process
from .proxy import FaultProxy


def test_a_process_is_killed_started_again_paused_and_ended(
    before_operators: FaultProxy, admin: Client, access: OperatorAccess, namespace: str, tmp_path: Path
) -> None:
    def renewed() -> str:
        lease: Manifest = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        live = admin.get(lease | {"metadata": {"name": "fairlead-operator", "namespace": namespace}})
        return str(live["spec"].get("renewTime")) if live and live["spec"]["holderIdentity"] else ""

    def renewals() -> int:
        return sum(1 for each in list(before_operators.requests) if each.method == "PUT")

    access.allow_lease(namespace)
    with ForkServer(tmp_path) as fork_server:
        process = Process(fork_server, settings(namespace), before_operators.endpoint("one"))
        assert (process.alive, process.exit_code) == (False, None)
        process.start()
        first = eventually(renewed, what="it leads")
        process.kill()
        assert process.wait() == -9
        process.start()
        second = eventually(lambda: (found := renewed()) > first and found, what="it leads again")
        assert second
        process.pause()
        before = renewals()
        assert process.alive
        process.resume()
        eventually(lambda: renewals() > before, what="it goes on")
        assert process.stop() == 0
        assert not renewed()
