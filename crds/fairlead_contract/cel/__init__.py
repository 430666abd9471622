"""CEL, as the API server and the worker evaluate it: programs, and the functions that Kubernetes adds."""
