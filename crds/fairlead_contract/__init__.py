"""The words that operator and workload both speak: the resources, their rules, and the runtime document. Pure."""
