"""Articles in PostgreSQL, through a pool of asyncpg, which prepares each statement once per connection."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg

from bench.peers.fastapi_asyncpg.models import Article

POOL_SIZE = 10
COLUMNS = "id, category, title, price, stock, active, tags, attributes, description"
_GET = f"SELECT {COLUMNS}, version FROM articles WHERE id = $1"
_FIRST = f"SELECT {COLUMNS} FROM articles WHERE category = $1 ORDER BY title, id LIMIT $2"
_NEXT = f"SELECT {COLUMNS} FROM articles WHERE category = $1 AND (title, id) > ($3, $4) ORDER BY title, id LIMIT $2"
_ASSIGNED = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[1:])
_PUT = (
    f"INSERT INTO articles ({COLUMNS}, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1)"
    f" ON CONFLICT (id) DO UPDATE SET {_ASSIGNED}, version = articles.version + 1 RETURNING version"
)
_REPLACE = (
    "UPDATE articles SET category = $2, title = $3, price = $4, stock = $5, active = $6, tags = $7, attributes = $8,"
    " description = $9, version = version + 1 WHERE id = $1 AND version = $10 RETURNING version"
)
_PUBLISH = "INSERT INTO outbox (id, key, version, payload) VALUES ($1, $2, $3, $4)"


async def connect(url: str) -> asyncpg.Pool:
    """A pool of connections that decode jsonb."""
    return await asyncpg.create_pool(url, min_size=POOL_SIZE, max_size=POOL_SIZE, init=_decode_json)


async def _decode_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


class Articles:
    """The table of articles, and the outbox beside it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def get(self, id_: str) -> tuple[Article, int] | None:
        """An article and its version."""
        row = await self._pool.fetchrow(_GET, id_)
        return None if row is None else (article(row), row["version"])

    async def page(self, category: str, limit: int, after: tuple[str, str] | None) -> tuple[list[Article], bool]:
        """At most `limit` articles of a category by title, and whether there are more."""
        sql, parameters = (_FIRST, ()) if after is None else (_NEXT, after)
        rows = await self._pool.fetch(sql, category, limit + 1, *parameters)
        return [article(row) for row in rows[:limit]], len(rows) > limit

    async def put(self, made: Article, expected: int | None) -> int | None:
        """Write an article and an event about it; its version. None: it has another version than is expected."""
        async with self._pool.acquire() as connection, connection.transaction():
            return await write(connection, made, expected)


async def write(connection: asyncpg.Connection, made: Article, expected: int | None = None) -> int | None:
    """The same in a transaction of the caller's."""
    values = [made.id, made.category, made.title, made.price, made.stock, made.active]
    values += [made.tags, made.attributes.model_dump(), made.description]
    if expected is None:
        version = await connection.fetchval(_PUT, *values)
    else:
        version = await connection.fetchval(_REPLACE, *values, expected)
    if version is not None and version > 1:
        event = updated(made)
        await connection.execute(_PUBLISH, event["id"], f"articles/{made.id}", version, event)
    return version


def article(row: asyncpg.Record) -> Article:
    """An article as it is stored; it was validated when it was written."""
    return Article.model_validate(dict(row), extra="ignore")


def updated(made: Article) -> dict[str, Any]:
    """The event that says so."""
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/bench/articles",
        "type": "articles.updated",
        "subject": f"articles/{made.id}",
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": made.model_dump(),
    }
