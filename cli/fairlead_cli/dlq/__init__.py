"""`fairlead dlq`: list, show, redrive and purge dead letters."""
