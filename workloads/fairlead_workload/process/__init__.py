"""One process of the image: its lifecycle and signals, runtime document, garbage collection, termination message."""
