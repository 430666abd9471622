"""What is asked on PostgreSQL, which status it has to answer with, and what is aimed at. Pure.

A goal is the least ratio of our rate to that of a side: A and B are goals, C is what we would like to reach one day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.api.wrk import Request
from bench.postgresql import documents

JSON = {"Content-Type": "application/json"}
READS = 16_384  # requests of a case, which are sent in turn
WRITES = 8_192
PATH = "/v1/articles"


@dataclass(frozen=True, slots=True)
class Goals:
    """The least ratio to each side."""

    a: float
    b: float
    c: float


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison. `writes`: what was written is tidied after each run."""

    title: str
    requests: Sequence[Request]
    expects: int
    goals: Goals
    writes: bool = False


def get() -> Case:
    requests = [Request("GET", f"{PATH}/{documents.key(number)}") for number in documents.drawn(READS, documents.COUNT)]
    return Case("GET by key, 200", requests, 200, Goals(a=0.45, b=3.5, c=1.0))


def put() -> Case:
    requests = [
        Request("PUT", f"{PATH}/{documents.key(number)}", JSON, documents.text(documents.document(number, edition=at)))
        for at, number in enumerate(documents.drawn(WRITES, documents.COUNT), 1)
    ]
    return Case("PUT with an event in the outbox, 200", requests, 200, Goals(a=0.25, b=2.5, c=2.0), writes=True)


def list_() -> Case:
    requests = [
        Request("GET", f"{PATH}?category={documents.category(number)}&limit={documents.LISTED}")
        for number in documents.drawn(READS, documents.CATEGORIES)
    ]
    return Case(f"List by an index, {documents.LISTED} items, 200", requests, 200, Goals(a=0.18, b=2.0, c=1.0))


ROWS = {"pg-get": get, "pg-put": put, "pg-list": list_}
CASES: Mapping[str, str] = {
    "pg-get": "GET of documents by key",
    "pg-put": "PUT of stored documents, each with an event in the outbox",
    "pg-list": "lists by an index",
    "pg-worker": "effects of events through the store, in batches",
    "pg-latency": "latency at a fixed rate",
}
