"""The workload: one API image and one worker image for every ApiService, driven by the runtime document."""
