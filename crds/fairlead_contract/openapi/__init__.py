"""The OpenAPI 3.1 document of a service, derived from its runtime document."""
