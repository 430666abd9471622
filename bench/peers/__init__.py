"""Services that somebody would write by hand for what `bench/postgresql/service.yaml` declares, and how they are
built.
"""
