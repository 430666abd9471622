"""The part `postgresql`: Fairlead on PostgreSQL, beside a bare Starlette application (A), a hand-written FastAPI
service with asyncpg (B) and a hand-written Go service with pgx (C).

`documents` are what is stored, `cases` what is asked and with which goals, `database` the server and its tables,
`server` our process, `sides` starts all four; `paced` measures latency at a fixed rate, `effects` the store's share of
a worker; `part` brings them together. The services B and C are in `bench/peers`.
"""
