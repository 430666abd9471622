"""The seam to HTTP servers (`base`) and one module for each."""
