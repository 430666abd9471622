"""Peer B: FastAPI, asyncpg, pydantic and uvicorn."""
