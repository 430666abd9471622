"""The operator at scale, on a real control plane, beside a bare script that applies the same objects."""
