"""Calls of handlers to other services: the request, what its answer means, whether the service is available."""
