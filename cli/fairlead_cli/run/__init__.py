"""`fairlead run`: checks, embedded bindings, one process that serves, and what it prints."""
