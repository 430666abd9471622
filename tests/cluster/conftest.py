"""One control plane for the whole run, started when the first test asks for it.

FAIRLEAD_TEST_KUBECONFIG names a cluster to use instead: its user must be an administrator, and the custom resource
definitions are installed there and stay.
"""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .access import OperatorAccess
from .binaries import binaries
from .client import Client
from .controlplane import ADMINS, Cluster, ControlPlane, ForeignCluster, install_definitions
from .identity import Identity, chart_rules
from .recording import StatusRecorder, own_namespace

OWN_DEFINITIONS = sorted((Path(__file__).resolve().parents[2] / "crds").glob("*.yaml"))
HERE = Path(__file__).parent
BUILD_SECONDS = 1800
RUNNING = pytest.StashKey[Cluster]()


@pytest.fixture(scope="session")
def tools() -> dict[str, Path]:
    """The kubectl binary, and the folder of other projects' definitions."""
    return binaries("kubectl", "crds")


@pytest.fixture(scope="session")
def foreign_definitions(tools: dict[str, Path]) -> list[Path]:
    """The CRD files of prometheus-operator, KEDA, Gateway API and cert-manager."""
    return sorted(tools["crds"].glob("*.yaml"))


@pytest.fixture(scope="session")
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, foreign_definitions: list[Path]
) -> Iterator[Cluster]:
    """A running cluster where our definitions and those of others are served."""
    definitions = [*OWN_DEFINITIONS, *foreign_definitions]
    scratch, admin = tmp_path_factory.mktemp("cluster"), os.environ.get("FAIRLEAD_TEST_KUBECONFIG")
    if admin:
        foreign = ForeignCluster(Path(admin).resolve(), scratch)
        with Client(foreign.admin) as client:
            install_definitions(client, definitions)
        yield foreign
        return
    plane = ControlPlane.start(
        scratch, binaries("etcd", "kube-apiserver", "kube-controller-manager"), definitions=definitions
    )
    request.config.stash[RUNNING] = plane
    yield plane
    plane.stop()


@pytest.fixture(scope="session")
def connect(cluster: Cluster) -> Iterator[Callable[..., Client]]:
    """Make a client for a user: `connect("mallory", groups=[...])`."""
    with ExitStack() as clients:

        def make(user: str, *, groups: tuple[str, ...] = ()) -> Client:
            return clients.enter_context(Client(cluster.kubeconfig(user, groups=groups)))

        yield make


@pytest.fixture(scope="session")
def admin(connect: Callable[..., Client]) -> Client:
    """The client of a cluster administrator."""
    return connect("admin", groups=ADMINS)


@pytest.fixture(scope="session")
def admin_config(cluster: Cluster) -> Path:
    """A kubeconfig of the administrator."""
    return cluster.kubeconfig("admin", groups=ADMINS)


@pytest.fixture(scope="session")
def operator_account(admin: Client) -> Iterator[Identity]:
    """A ServiceAccount that may do, everywhere, what the chart's ClusterRole says."""
    account = Identity(admin, "default").create()
    account.grant(chart_rules())
    yield account
    account.remove()


@pytest.fixture(scope="session")
def access(
    admin: Client,
    admin_config: Path,
    operator_account: Identity,
    statuses: StatusRecorder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OperatorAccess]:
    """Namespaces for operators behind a fault proxy, or for more than one test."""
    config = operator_account.kubeconfig(admin_config, tmp_path_factory.mktemp("operator"))
    with Client(config) as operator:
        yield OperatorAccess(admin, operator_account, config, operator, statuses)


@pytest.fixture(scope="session")
def statuses(admin: Client) -> Iterator[StatusRecorder]:
    """The observer of every status that an operator writes."""
    with StatusRecorder(admin) as statuses:
        yield statuses


@pytest.fixture
def namespace(admin: Client, statuses: StatusRecorder) -> Iterator[str]:
    """A namespace of the test's own; the test fails when any status that an operator wrote there breaks the rules."""
    with own_namespace(admin, statuses) as name:
        yield name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The control plane counts as the time of the test that asks for it first: it may have to be built."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(BUILD_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the last log lines of the control plane beside a failure."""
    report = yield
    running = item.config.stash.get(RUNNING, None)
    if report.failed and running is not None:
        report.sections.append(("control plane", running.log_tails()))
    return report
