"""GET: one document, a list, an operation."""
