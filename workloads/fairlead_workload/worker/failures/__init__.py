"""What follows a failure: classification, retries, outages, events that end the process, dead letters."""
