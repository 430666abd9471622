"""The operator: one ApiService in, its children on the cluster, the truth in its status."""
