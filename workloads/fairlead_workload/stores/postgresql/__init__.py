"""The PostgreSQL store: documents in typed tables, our records and the outbox beside them, a schema for an ApiService.

`binding` says which servers a resource names, `connections` makes and keeps connections, `dialect` has PostgreSQL's
SQL, `tables` our own tables, `migration` brings a schema to the resources, `commit` writes units, `listening` hears of
other processes' commits, `faults` converts the driver's errors; `adapter` is the `Store`.
"""

from fairlead_workload.stores.postgresql.adapter import PostgresqlStore
from fairlead_workload.stores.postgresql.binding import bound_servers
from fairlead_workload.stores.postgresql.connections import Limits, Server, Tls
from fairlead_workload.stores.postgresql.dialect import schema_name
from fairlead_workload.stores.postgresql.migration import provision

__all__ = ["Limits", "PostgresqlStore", "Server", "Tls", "bound_servers", "provision", "schema_name"]
