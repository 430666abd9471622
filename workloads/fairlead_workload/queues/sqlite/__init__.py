"""The SQLite queue: leased messages and dead letters in the file that the SQLite store uses.

`tables` decides the tables, `messages` and `letters` hold the operations on them, each for many callers at once;
`adapter` is the `Queue`.
"""

from fairlead_workload.queues.sqlite.adapter import RETENTION_SECONDS, SqliteQueue

__all__ = ["RETENTION_SECONDS", "SqliteQueue"]
