"""`fairlead run --bindings declared` on the server of the tests: resources, Secrets and processes of a test's own."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tests.integration.process.server import EXAMPLES, Running, start
from tests.servers.postgresql import PASSWORD, USER, PostgreSQL

EXAMPLE = EXAMPLES / "postgresql.yaml"


@dataclass
class Shop:
    """The example under a name of its own, so with a schema of its own. `spec` changes members of its specification."""

    folder: Path
    server: PostgreSQL
    spec: dict[str, Any] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"shop-{secrets.token_hex(4)}")

    @property
    def file(self) -> Path:
        """The resource, as it is now."""
        resource = yaml.safe_load(EXAMPLE.read_text())
        resource["metadata"]["name"] = self.name
        resource["spec"] |= self.spec
        where = {"host": "db.shop.svc", "port": 5432, "database": "postgres"}
        resource["spec"]["datastore"]["postgresql"] |= where
        path = self.folder / "shop.yaml"
        path.write_text(yaml.safe_dump(resource))
        return path

    @property
    def secret(self) -> Path:
        """The folder of its Secret."""
        folder = self.folder / "secret"
        folder.mkdir(exist_ok=True)
        (folder / "username").write_text(f"{USER}\n")
        (folder / "password").write_text(f"{PASSWORD}\n")
        return folder

    @property
    def options(self) -> list[str]:
        """Where the server and the Secret are."""
        address = f"db.shop.svc={self.server.host}:{self.server.port}"
        return ["--bindings", "declared", "--secret", f"shop-db={self.secret}", "--connect-to", address]

    def start(self, name: str, *arguments: str) -> Running:
        """A process of it, under way."""
        return start(self.file, self.folder / name, *self.options, *arguments)

    @contextmanager
    def running(self, *names: str) -> Iterator[list[Running]]:
        """Processes of it that serve."""
        started: list[Running] = []
        try:
            started.extend(map(self.start, names))
            for process in started:
                process.wait_ready()
            yield started
        finally:
            for process in started:
                if process.process.poll() is None:
                    process.kill()
            self.server.execute(f'DROP SCHEMA IF EXISTS "shop_{self.name}" CASCADE')
