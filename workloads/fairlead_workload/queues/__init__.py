"""Brokers: the seam (`base`) and one module or folder for each adapter."""
