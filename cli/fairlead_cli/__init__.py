"""The command line: run an ApiService on a laptop, check resources, look after dead letters."""
