"""The SQLite store: documents in typed tables, our records and the outbox beside them, one transaction for a unit.

`layout` decides which columns a resource has, `migration` brings a file there, `rows` turns documents into rows and
back, `units` checks and writes, `queries` reads pages; `adapter` is the `Store`.
"""

from fairlead_workload.stores.sqlite.adapter import SqliteStore

__all__ = ["SqliteStore"]
