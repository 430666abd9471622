"""The embedded database: one SQLite file in a data directory, shared by the store and the queue.

Decided here: how the file is opened and locked, how operations are grouped into transactions, and what a failure of
SQLite means. What is in the tables is decided by `stores.sqlite` and `queues.sqlite`.
"""

from fairlead_workload.sqlite.batches import Batcher, BatchOperation
from fairlead_workload.sqlite.database import Database
from fairlead_workload.sqlite.lookup import Lookup

__all__ = ["BatchOperation", "Batcher", "Database", "Lookup"]
