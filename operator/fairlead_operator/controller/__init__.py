"""What runs: one replica with its informers, work queue, workers, Lease, health endpoints and metrics."""
