"""Speaking to the API server: the client, informers, the work queue, the lease and discovery."""
