"""The part `worker`: events that the worker applies to SQLite, beside a bare loop over the same events (A).

`kinds` says which events; `applied` and `bare` are the two processes that are measured; `part` brings them together.
"""
