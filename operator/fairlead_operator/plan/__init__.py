"""What the children of an ApiService are: pure functions from resource, class and capabilities to manifests."""
