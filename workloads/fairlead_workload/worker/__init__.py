"""The queue worker: commands, handlers, retries, dead letters, outbox relay."""
