"""What a resource is to the workload, apart from any wire or store: keys, documents, commands, effects, problems. Pure."""
