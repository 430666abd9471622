"""The PostgreSQL store: documents in typed tables, our records and the outbox beside them, a schema for an ApiService.

`binding` says which servers and schema an ApiService has, `connections` makes and keeps connections, `dialect` has
PostgreSQL's SQL, `tables` our own tables, `migration` brings a schema to the resources, `ownership` says whose it is,
`teardown` deletes it, `budget` compares connections, `commit` writes units, `listening` hears of other processes'
commits, `faults` converts the driver's errors, `causes` has words for them; `adapter` is the `Store`.
"""

from fairlead_workload.stores.postgresql.adapter import PostgresqlStore
from fairlead_workload.stores.postgresql.binding import Owner, binding_of
from fairlead_workload.stores.postgresql.budget import shortage
from fairlead_workload.stores.postgresql.causes import Reason
from fairlead_workload.stores.postgresql.connections import Limits, Server, Tls
from fairlead_workload.stores.postgresql.dialect import schema_name
from fairlead_workload.stores.postgresql.migration import provision
from fairlead_workload.stores.postgresql.teardown import Removal, teardown

__all__ = [
    "Limits",
    "Owner",
    "PostgresqlStore",
    "Reason",
    "Removal",
    "Server",
    "Tls",
    "binding_of",
    "provision",
    "schema_name",
    "shortage",
    "teardown",
]
