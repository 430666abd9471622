"""The HTTP API: the kernel for resources, Starlette for all around it."""
