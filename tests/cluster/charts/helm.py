"""Run the real helm on the charts of this project."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..client import Manifest

ROOT = Path(__file__).resolve().parents[3]
CHARTS = ROOT / "charts"
OPERATOR = CHARTS / "fairlead"
DEFINITIONS = CHARTS / "fairlead-crds"
VALUES = Path(__file__).parent / "values"
NAMESPACE = "fairlead-system"


class HelmError(Exception):
    """helm exited with something other than 0; the text is what it said."""


@dataclass(frozen=True)
class Helm:
    """helm with a home of its own; commands that speak to a cluster need `kubeconfig`."""

    binary: Path
    home: Path
    kubeconfig: Path | None = None

    def run(self, *arguments: str) -> str:
        """Standard output."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        chosen = ["--kubeconfig", str(self.kubeconfig)] if self.kubeconfig else []
        command = [str(self.binary), *arguments, *chosen]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
        if done.returncode:
            raise HelmError(done.stdout + done.stderr)
        return done.stdout

    def template(
        self,
        chart: Path,
        *,
        values: Sequence[Path] = (),
        settings: Sequence[str] = (),
        release: str = "fairlead",
        namespace: str = NAMESPACE,
    ) -> str:
        """What the chart renders to."""
        files = [part for path in values for part in ("--values", str(path))]
        sets = [part for setting in settings for part in ("--set", setting)]
        version = ["--kube-version", "1.31.0"]
        return self.run("template", release, str(chart), "--namespace", namespace, *version, *files, *sets)

    def manifests(
        self,
        chart: Path,
        *,
        values: Sequence[Path] = (),
        settings: Sequence[str] = (),
        release: str = "fairlead",
        namespace: str = NAMESPACE,
    ) -> list[Manifest]:
        """The same, read."""
        text = self.template(chart, values=values, settings=settings, release=release, namespace=namespace)
        return [document for document in yaml.safe_load_all(text) if document]
