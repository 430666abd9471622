"""The unit that requests are counted in: one turn of a loop over the same kinds of work, done by nothing of ours.

Decided here: the mix. About as much of a turn as of a request is the interpreter's own work (calls, attributes,
dictionaries, text), the rest is that of the libraries that a request uses: JSON, a hash, an SQLite statement. So
another build of the interpreter, or of a library, moves both sides. A change of anything here asks for new records.
"""

import sqlite3
from hashlib import blake2b

import msgspec

_HEADERS = [(b"host", b"example.com"), (b"accept", b"*/*"), (b"content-type", b"application/json")]
_KNOWN = frozenset((b"accept", b"content-type"))
_SQL = "INSERT INTO turns (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body"


class _Turn:
    __slots__ = ("fields", "number", "path")

    def __init__(self, number: int) -> None:
        self.number = number
        self.path = f"/v1/things/{number % 100}"
        self.fields = self._known()

    def _known(self) -> dict[bytes, bytes]:
        return {name: value for name, value in _HEADERS if name in _KNOWN}

    def document(self) -> dict[str, object]:
        kind, _, name = self.path.removeprefix("/v1/").partition("/")
        return {"id": name, "kind": kind, "count": self.number, "tags": sorted(self.path.split("/"))}


class Loop:
    """Turns of the loop. `close` when done."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.execute("CREATE TABLE turns (id TEXT PRIMARY KEY, body BLOB) STRICT")

    def run(self, turns: int) -> None:
        for number in range(turns):
            turn = _Turn(number)
            document = turn.document()
            body = msgspec.json.encode(document)
            seen = {**msgspec.json.decode(body), "etag": f'"{blake2b(body, digest_size=16).hexdigest()}"'}
            changed = {name: value for name, value in seen.items() if name != "tags"}
            if changed != seen and turn.fields:
                self._connection.execute(_SQL, (document["id"], body))

    def close(self) -> None:
        self._connection.close()
