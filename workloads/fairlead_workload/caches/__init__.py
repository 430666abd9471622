"""Caches: the seam (`base`), the strategies over it, and one module for each adapter."""
