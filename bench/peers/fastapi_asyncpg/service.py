"""The service: `python -m bench.peers.fastapi_asyncpg.service PORT`, with the database in DATABASE_URL."""

import base64
import binascii
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response

from bench.peers.fastapi_asyncpg import storage
from bench.peers.fastapi_asyncpg.models import Article, Name, Page
from bench.peers.fastapi_asyncpg.storage import Articles


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with await storage.connect(os.environ["DATABASE_URL"]) as pool:
        app.state.articles = Articles(pool)
        yield


app = FastAPI(title="articles", lifespan=lifespan)


async def articles(request: Request) -> Articles:
    return request.app.state.articles


Stored = Annotated[Articles, Depends(articles)]


@app.get("/v1/articles/{id_}")
async def get(
    id_: Name, stored: Stored, response: Response, if_none_match: Annotated[str | None, Header()] = None
) -> Article:
    found = await stored.get(id_)
    if found is None:
        raise HTTPException(404)
    article, version = found
    if if_none_match == etag(version):
        raise HTTPException(304, headers={"ETag": etag(version)})
    response.headers["ETag"] = etag(version)
    return article


@app.put("/v1/articles/{id_}")
async def put(
    id_: Name, body: Article, stored: Stored, response: Response, if_match: Annotated[str | None, Header()] = None
) -> Article:
    if body.id != id_:
        raise HTTPException(422, "the id is not the one of the URL")
    version = await stored.put(body, None if if_match is None else expected(if_match))
    if version is None:
        raise HTTPException(412)
    response.headers["ETag"] = etag(version)
    if version == 1:
        response.status_code = 201
        response.headers["Location"] = f"/v1/articles/{id_}"
    return body


@app.get("/v1/articles")
async def list_(
    stored: Stored, category: Name, limit: Annotated[int, Query(ge=1, le=200)] = 50, cursor: str | None = None
) -> Page:
    items, more = await stored.page(category, limit, None if cursor is None else decoded(cursor))
    return Page(items=items, next=encoded(items[-1]) if more else None)


def etag(version: int) -> str:
    return f'"{version}"'


def expected(if_match: str) -> int:
    """The version in If-Match."""
    digits = if_match.strip('"')
    if not digits.isdecimal():
        raise HTTPException(412)
    return int(digits)


def encoded(last: Article) -> str:
    """The cursor of the page after this article."""
    return base64.urlsafe_b64encode(json.dumps([last.title, last.id]).encode()).decode()


def decoded(cursor: str) -> tuple[str, str]:
    try:
        title, id_ = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, TypeError, binascii.Error):
        raise HTTPException(400, "the cursor is not one of this list") from None
    return str(title), str(id_)


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
