"""Whether a live object differs from what is planned, and which objects have to be deleted."""
