"""The documents, the same for every side, and which of them are asked for. Pure.

Decided here: a document has 1 KB as compact JSON; each category has twice as many as a list shows, so that a list has
a next page. Keys follow a Zipf distribution: the n-th document is asked for about 1/n as often as the first, as in
YCSB.
"""

import json
import random
from itertools import accumulate
from typing import Any

COUNT = 20_000
LISTED = 20
PER_CATEGORY = 2 * LISTED
CATEGORIES = COUNT // PER_CATEGORY
BYTES = 1024
EXPONENT = 0.99
SEED = 1

_COLORS = ("black", "blue", "green", "red", "white")
_MATERIALS = ("cotton", "glass", "oak", "steel", "wool")
_WORDS = "A thing that somebody may want to have, with all that there is to say about it. "

Document = dict[str, Any]


def document(number: int, *, edition: int = 0) -> Document:
    """One of COUNT documents. Each edition has another price and stock, and the same size."""
    made = {
        "id": key(number),
        "category": category(number % CATEGORIES),
        "title": f"Article {number:06}",
        "price": 10 + edition % 90 + 0.5,
        "stock": 100 + edition % 900,
        "active": True,
        "tags": [f"tag-{(number + place) % 100:02}" for place in range(5)],
        "attributes": {
            "color": _COLORS[number % 5],
            "material": _MATERIALS[number // 5 % 5],
            "widthMm": 100 + number % 900,
            "heightMm": 100 + number // 7 % 900,
        },
        "description": "",
    }
    made["description"] = (_WORDS * 20)[: BYTES - len(text(made))]
    return made


def key(number: int) -> str:
    return f"article-{number:06}"


def category(number: int) -> str:
    return f"category-{number:04}"


def text(made: Document) -> str:
    """A document as clients send it."""
    return json.dumps(made, separators=(",", ":"))


def drawn(count: int, among: int, *, exponent: float = EXPONENT) -> list[int]:
    """`count` numbers below `among` by Zipf's law, the same each time. Which ones are popular has no order."""
    chosen = random.Random(SEED)
    places = list(range(among))
    chosen.shuffle(places)
    weights = list(accumulate(1 / rank**exponent for rank in range(1, among + 1)))
    return chosen.choices(places, cum_weights=weights, k=count)
