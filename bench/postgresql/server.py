"""Fairlead on PostgreSQL, as in an API pod: `python -m bench.postgresql.server ADDRESS_FILE DATA_DIR PORT ADMIN_PORT`.

The access log is on, in JSON, as in the image; its lines go to standard output.
"""

import sys
from pathlib import Path

import uvloop

from bench.postgresql import database
from bench.postgresql.database import Address
from fairlead_contract.spec.bindings import DatastoreType
from fairlead_workload import adapters
from fairlead_workload.process import garbage
from fairlead_workload.service import Role, Service
from fairlead_workload.stores.base import Store
from fairlead_workload.stores.postgresql import PostgresqlStore, provision


def store_opener(address: Address) -> adapters.Opener[Store]:
    """Opens the PostgreSQL store by hand: the workload has no opener for it yet."""

    async def open_store(opening: adapters.Opening) -> Store:
        resources = opening.document.api.resources
        await provision(address.server, address.schema, resources)
        store = await PostgresqlStore.open(address.server, resources, schema=address.schema, listen=address.server)
        opening.closing(store.close)
        return store

    return open_store


async def serve(address: Address, data_dir: Path, port: int, admin_port: int) -> None:
    adapters.STORES = {**adapters.STORES, DatastoreType.POSTGRESQL: store_opener(address)}
    service = await Service.open(
        database.service(),
        data_dir=data_dir,
        port=port,
        admin_port=admin_port,
        log_format="json",
        roles=frozenset({Role.API}),
    )
    await service.start()
    garbage.freeze_gc()
    await service.wait()


if __name__ == "__main__":
    file, data_dir, port, admin_port = sys.argv[1:5]
    uvloop.run(serve(Address.read(Path(file)), Path(data_dir), int(port), int(admin_port)))
