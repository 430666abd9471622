"""The Kubernetes API: kinds, credentials, requests with typed errors, discovery, decoding of answers."""
