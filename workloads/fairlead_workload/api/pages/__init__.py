"""What is served beside the resources: OpenAPI, documentation, problem types, and the admin listener."""
