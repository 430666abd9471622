"""A resource apart from any wire or store: keys, documents, commands, effects, problems. Pure."""
