"""The command line: run, lint and dlq."""
