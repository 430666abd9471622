"""One process of the image: its lifecycle and signals, runtime document, open files, disk, garbage collection,
termination message.
"""
