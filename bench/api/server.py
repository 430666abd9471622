"""Fairlead as it runs in an API pod: `python -m bench.api.server FILE DATA_DIR PORT ADMIN_PORT [--worker]`.

The access log is on, in JSON, as in the image; its lines go to standard output. `--worker`: the worker runs, too.
"""

import sys
from pathlib import Path

import uvloop
import yaml

from fairlead_cli.run.embedded import embed
from fairlead_contract.spec.apiservice import ApiService
from fairlead_workload.adapters import Surroundings
from fairlead_workload.process import garbage
from fairlead_workload.service import Role, Service, Workload


async def serve(file: Path, data_dir: Path, port: int, admin_port: int, roles: frozenset[Role]) -> None:
    document = embed(ApiService.model_validate(yaml.safe_load(file.read_text())))
    workload = Workload(document, Surroundings(data_dir), port=port, admin_port=admin_port, roles=roles)
    service = Service(workload)
    await service.start()
    garbage.freeze_gc()
    await service.wait()


if __name__ == "__main__":
    roles = frozenset(Role) if "--worker" in sys.argv else frozenset({Role.API})
    file, data_dir, port, admin_port = sys.argv[1:5]
    uvloop.run(serve(Path(file), Path(data_dir), int(port), int(admin_port), roles))
