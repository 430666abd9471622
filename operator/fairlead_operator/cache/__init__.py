"""What is known of the cluster: one store of small records per kind, kept up to date by informers."""
