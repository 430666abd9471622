"""What operator and workload share: the resources, their rules, and the runtime document. Pure."""
