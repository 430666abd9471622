"""Fairlead on PostgreSQL, as in an API pod: `python -m bench.postgresql.server ADDRESS_FILE DATA_DIR PORT ADMIN_PORT`.

The access log is on, in JSON, as in the image; its lines go to standard output.
"""

import sys
from pathlib import Path

import uvloop

from bench.postgresql import database
from bench.postgresql.database import Address
from fairlead_workload import service as running
from fairlead_workload.adapters import Surroundings
from fairlead_workload.credentials import local_secrets
from fairlead_workload.process import garbage
from fairlead_workload.service import Role


async def serve(address: Address, data_dir: Path, port: int, admin_port: int) -> None:
    secrets = local_secrets({}, {"PGUSER": address.user, "PGPASSWORD": address.password})
    surroundings = Surroundings(data_dir, secrets, {address.host: (address.host, address.port)})
    roles = frozenset({Role.API})
    running.relay_of = lambda _: None  # a worker elsewhere publishes what is in the outbox
    service = running.Service(
        running.Workload(database.service(), surroundings, port=port, admin_port=admin_port, roles=roles)
    )
    await service.start()
    garbage.freeze_gc()
    await service.wait()


if __name__ == "__main__":
    file, data_dir, port, admin_port = sys.argv[1:5]
    uvloop.run(serve(Address.read(Path(file)), Path(data_dir), int(port), int(admin_port)))
