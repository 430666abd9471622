"""The part `api`: requests to Fairlead, beside a bare Starlette application (A) and a bare ASGI one (the floor).

`cases` says what is measured; `server` and `baseline` are the processes under load, `servers` starts them; `wrk` is
what the load generator gets and what it prints, `load` one run of it; `part` brings them together.
"""
