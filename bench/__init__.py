"""Ratios against baselines, measured in one run on this machine. `make bench` prints them; nothing asserts a time."""
