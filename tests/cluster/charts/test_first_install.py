"""A chart that depends on both of ours, installed as docs/install.md says in a cluster without our definitions."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ..binaries import binaries
from ..client import ApiError, Client
from ..controlplane import ADMINS, ControlPlane
from ..waiting import eventually
from .helm import ROOT, Helm, HelmError

COMMANDS = re.compile(r"^helm ((?:install|upgrade) platform .*)$", re.MULTILINE)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[ControlPlane]:
    """A cluster of the test's own, without any definition of ours."""
    plane = ControlPlane.start(tmp_path, binaries("etcd", "kube-apiserver", "kube-controller-manager"))
    yield plane
    plane.stop()


def classes(config: Path) -> list[str] | None:
    """Their names; None while the server does not serve the new kind yet."""
    with Client(config) as client:
        try:
            found = client.list("fairlead.dev/v1alpha1", "ApiServiceClass")
        except ApiError as error:
            if error.code in {404, 429, 503}:
                return None
            raise
    return [each["metadata"]["name"] for each in found]


def test_a_chart_with_both_of_ours_is_installed_and_then_has_its_class(
    helm: Helm, umbrella: Path, empty: ControlPlane
) -> None:
    config = empty.kubeconfig("admin", groups=ADMINS)
    online = replace(helm, kubeconfig=config)
    install, upgrade = COMMANDS.findall((ROOT / "docs" / "install.md").read_text())
    with pytest.raises(HelmError, match='no matches for kind "ApiServiceClass"'):
        online.run("install", "platform", str(umbrella))
    online.run(*install.replace("./platform", str(umbrella)).split())
    eventually(lambda: classes(config) == [], what="classes are served, and there is none")
    online.run(*upgrade.replace("./platform", str(umbrella)).split())
    eventually(lambda: classes(config) == ["standard"], what="the class is there")
