"""The embedded database: one SQLite file in a data directory, shared by the store and the queue.

This package opens and locks the file, groups operations into transactions, and converts failures of SQLite. The tables
belong to `stores.sqlite` and `queues.sqlite`.
"""

from fairlead_workload.sqlite.batches import Batcher, BatchOperation
from fairlead_workload.sqlite.database import Database
from fairlead_workload.sqlite.lookup import Lookup

__all__ = ["BatchOperation", "Batcher", "Database", "Lookup"]
