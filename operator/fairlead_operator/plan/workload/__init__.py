"""Pods and what they need: Deployments, Jobs, ConfigMaps, ServiceAccount, disruption budget."""
