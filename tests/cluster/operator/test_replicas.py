"""Which replica writes: real processes behind a proxy that records who sent what, and their Lease.

After every test the whole record is held against one rule: each write came from the replica that was the last one to
write the Lease, and before its time to renew was over.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ..access import OperatorAccess
from ..client import Client, Manifest
from ..faults.exchange import Request
from ..faults.process import ForkServer, Process
from ..faults.proxy import FaultProxy
from ..waiting import eventually
from .apisvc import Resource
from .harness import settings
from .test_life import details

pytestmark = pytest.mark.usefixtures("simulator", "recorder")
TERMINATED_SECONDS, KILLED_SECONDS, RESUMED_SECONDS = 3.0, 20.0, 10.0
DEFAULT_TERMS = {"lease_seconds": 15.0, "lease_renew_seconds": 10.0, "lease_retry_seconds": 2.0}
# Not so short that a busy machine is late with a renewal.
SHORT_TERMS = {"lease_seconds": 6.0, "lease_renew_seconds": 4.0, "lease_retry_seconds": 0.4}
SOMEBODY: Manifest = {
    "holderIdentity": "somebody",
    "leaseDurationSeconds": 4,
    "renewTime": "2026-01-01T00:00:00.000000Z",
}
QUIET_SECONDS = 1.5
ON_THE_WIRE_SECONDS = 1.0


@dataclass
class Replicas:
    """The replicas of one test, its Lease, and the record of what they sent."""

    admin: Client
    namespace: str
    proxy: FaultProxy
    fork_server: ForkServer
    processes: dict[str, Process] = field(default_factory=dict)

    def add(self, name: str, **terms: float) -> Process:
        """A replica that is not started yet."""
        chosen = settings(self.namespace, identity=name, **terms)
        self.processes[name] = Process(self.fork_server, chosen, self.proxy.endpoint(name))
        return self.processes[name]

    def lead(self, name: str, **terms: float) -> Process:
        """Start a replica, and wait until it leads."""
        process = self.add(name, **terms)
        process.start()
        eventually(lambda: self.holder == name, what=f"{name} leads")
        return process

    def stand_by(self, name: str, **terms: float) -> Process:
        """Start a replica, and wait until it has read everything but leads not."""
        process = self.add(name, **terms)
        process.start()
        eventually(lambda: self.watches(name), what=f"{name} watches")
        self.rest()
        return process

    @property
    def lease(self) -> Manifest:
        """What names it."""
        metadata = {"name": "fairlead-operator", "namespace": self.namespace}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}

    @property
    def holder(self) -> str:
        live = self.admin.get(self.lease)
        return str(live["spec"].get("holderIdentity") or "") if live else ""

    def sent(self, name: str) -> list[Request]:
        return [each for each in list(self.proxy.requests) if each.replica == name]

    def writes(self, name: str, *, since: float = 0.0) -> list[Request]:
        """What the replica wrote, but for the Lease, from that time on."""
        return [each for each in self.sent(name) if each.writes and each.at >= since]

    def watches(self, name: str, *, since: float = 0.0) -> list[Request]:
        """What the replica began to watch from that time on."""
        return [each for each in self.sent(name) if each.method == "WATCH" and each.at >= since]

    def took_over(self, name: str, *, since: float, timeout_seconds: float) -> float:
        """Wait until the replica has written the Lease; the seconds that took."""

        def renewal() -> Request | None:
            sent = [each for each in self.sent(name) if is_renewal(each) and each.at >= since]
            return sent[0] if sent else None

        return eventually(renewal, what=f"{name} leads", timeout_seconds=timeout_seconds).at - since

    def rest(self) -> None:
        """Wait until nothing has been written for a while."""
        since, known = time.monotonic(), -1
        while time.monotonic() - since < QUIET_SECONDS:
            count = sum(1 for each in list(self.proxy.requests) if each.writes)
            if count != known:
                since, known = time.monotonic(), count
            time.sleep(0.05)

    def writes_without_lease(self) -> list[str]:
        """Writes of a replica that was not the last one to write the Lease, or did so too long ago."""
        last, until, found = "", 0.0, []
        for each in list(self.proxy.requests):
            if is_renewal(each):
                last = each.replica
                until = each.at + self.processes[last].settings.lease_renew_seconds + ON_THE_WIRE_SECONDS
            elif each.writes and (each.replica != last or each.at > until):
                found.append(f"{each} while {last or 'nobody'} leads")
        return found


def is_renewal(request: Request) -> bool:
    """Whether it wrote the Lease, in fact."""
    landed = request.landed is not None and request.landed < 300
    return landed and request.resource == "leases" and request.method in {"POST", "PUT"}


@pytest.fixture
def replicas(access: OperatorAccess, namespace: str, tmp_path: Path) -> Iterator[Replicas]:
    """None yet; all are ended with the test."""
    access.allow_lease(namespace)
    with ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(access.config))
        fork_server = stack.enter_context(ForkServer(tmp_path))
        replicas = Replicas(access.admin, namespace, proxy, fork_server)
        yield replicas
        for each in replicas.processes.values():
            each.kill()
        assert replicas.writes_without_lease() == []
        assert [each for name in replicas.processes for each in proxy.forbidden(name)] == []


@pytest.mark.parametrize("terms", [DEFAULT_TERMS, SHORT_TERMS], ids=["default terms", "short terms"])
def test_sigterm_hands_over_at_rest_and_at_work(
    replicas: Replicas, make: Callable[..., Resource], terms: dict[str, float]
) -> None:
    one, two = replicas.lead("one", **terms), replicas.stand_by("two", **terms)
    make("first").until("Ready", "True")
    replicas.rest()
    assert replicas.writes("two") == []
    before = time.monotonic()
    assert one.stop() == 0
    at_rest = replicas.took_over("two", since=before, timeout_seconds=10)
    replicas.rest()
    assert replicas.writes("two") == [], "there was nothing to do"
    one.start()
    eventually(
        lambda: any(each.at > before and each.method == "WATCH" for each in replicas.sent("one")), what="one is back"
    )
    many = [make(f"next-{number}") for number in range(4)]
    eventually(lambda: len(replicas.writes("two")) > 20, what="two is at work")
    before = time.monotonic()
    assert two.stop() == 0
    at_work = replicas.took_over("one", since=before, timeout_seconds=10)
    for each in many:
        each.until("Ready", "True")
    print(f"handed over after {at_rest:.1f} s at rest, {at_work:.1f} s at work")
    assert max(at_rest, at_work) < TERMINATED_SECONDS


def test_after_a_kill_the_other_takes_over_and_carries_out_what_came_meanwhile(
    replicas: Replicas, make: Callable[..., Resource]
) -> None:
    one = replicas.lead("one", **DEFAULT_TERMS)
    replicas.stand_by("two", **DEFAULT_TERMS)
    edited, untouched = make("edited"), make("untouched")
    for each in (edited, untouched):
        each.until("Ready", "True")
    replicas.rest()
    before = time.monotonic()
    one.kill()
    edited.edit(api={"title": "Other"})
    seconds = replicas.took_over("two", since=before, timeout_seconds=30)
    edited.until("Ready", "True")
    rolled_out_seconds = time.monotonic() - before - seconds
    replicas.rest()
    written = replicas.writes("two")
    print(f"taken over {seconds:.1f} s after a kill, first write {written[0].at - before - seconds:.2f} s later")
    assert seconds < KILLED_SECONDS
    assert written[0].at - before - seconds < 1.0, "what it knew was not up to date"
    assert len(written) <= 8 + details(rolled_out_seconds)
    assert [each for each in written if each.name.startswith("untouched")] == []


def test_a_leader_that_was_paused_for_longer_than_its_lease_sends_nothing_more(
    replicas: Replicas, make: Callable[..., Resource]
) -> None:
    one = replicas.lead("one", **SHORT_TERMS)
    replicas.stand_by("two", **SHORT_TERMS)
    many = [make(f"r-{number}") for number in range(5)]
    eventually(lambda: len(replicas.writes("one")) > 20, what="one is at work")
    paused_at = time.monotonic()
    one.pause()
    replicas.took_over("two", since=paused_at, timeout_seconds=60)
    resumed_at = time.monotonic()
    one.resume()
    for each in many:
        each.until("Ready", "True")
        each.edit(api={"title": "Other"})
    for each in many:
        each.until("Ready", "True")
    replicas.rest()
    assert [each for each in replicas.sent("one") if each.at > resumed_at], "it is not alive"
    assert replicas.holder == "two"
    assert replicas.writes("one", since=resumed_at) == []


def test_of_replicas_started_at_the_same_moment_one_leads(replicas: Replicas, make: Callable[..., Resource]) -> None:
    resource = make()
    for process in [replicas.add(name, **SHORT_TERMS) for name in ("one", "two", "three")]:
        process.start()
    resource.until("Ready", "True")
    replicas.rest()
    assert [name for name in replicas.processes if replicas.writes(name)] == [replicas.holder]


def test_a_lease_that_somebody_deletes_or_takes(
    replicas: Replicas, admin: Client, make: Callable[..., Resource]
) -> None:
    replicas.lead("one", **SHORT_TERMS)
    resource = make()
    resource.until("Ready", "True")
    admin.delete(replicas.lease)
    eventually(lambda: replicas.holder == "one", what="one leads again")
    before = time.monotonic()
    admin.merge(replicas.lease, {"spec": SOMEBODY})
    taken_at = time.monotonic()

    def looks() -> list[Request]:
        return [each for each in replicas.sent("one") if each.resource == "leases" and each.at > taken_at]

    eventually(lambda: len(looks()) > 1, what="one has seen who holds it")
    learned_at = time.monotonic()
    resource.edit(api={"title": "Other"})
    again_at = taken_at + replicas.took_over("one", since=taken_at, timeout_seconds=60)
    resource.until("Ready", "True")
    assert [each for each in replicas.writes("one", since=learned_at) if each.at < again_at] == []
    assert again_at - before > SOMEBODY["leaseDurationSeconds"]


@pytest.mark.parametrize("away", ["leases", ""], ids=["the Lease", "everything"])
def test_who_cannot_renew_stops_writing_and_resumes(
    replicas: Replicas, make: Callable[..., Resource], away: str
) -> None:
    replicas.lead("one", **SHORT_TERMS)
    resource = make()
    resource.until("Ready", "True")
    replicas.rest()
    with replicas.proxy.outage(lambda request: away in ("", request.resource)):
        time.sleep(SHORT_TERMS["lease_renew_seconds"] + SHORT_TERMS["lease_retry_seconds"])
        lost_at = time.monotonic()
        resource.edit(api={"title": "Other"})
        time.sleep(2.0)
        assert replicas.writes("one", since=lost_at) == []
        back_at = time.monotonic()
    written = eventually(lambda: replicas.writes("one", since=back_at), what="it works again")
    assert written[0].at - back_at < RESUMED_SECONDS
    resource.until("Ready", "True")
