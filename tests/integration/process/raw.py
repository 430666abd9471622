"""A raw connection to a server: exactly these bytes go out, and answers are read as they come."""

import json
import re
import socket
from dataclasses import dataclass
from typing import Any

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document that it is."""
        assert self.headers["content-type"] == "application/problem+json", self
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        return document

    @property
    def slug(self) -> str:
        return str(self.problem["type"]).rpartition("/")[2]


class Connection:
    """A TCP connection to `url`."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)
        self._reader = self.socket.makefile("rb")

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send what the server takes; it may answer and close before it has seen everything."""
        try:
            self.socket.sendall(data)
        except ConnectionError:
            return

    def finish(self) -> None:
        """Say that nothing more is sent, and go on reading."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the server has closed the connection

    def answer(self) -> Answer | None:
        """The next final response, or None when the connection is closed before one."""
        try:
            return self._answer()
        except ConnectionError:
            return None

    def _answer(self) -> Answer | None:
        line = self._reader.readline()
        if not line:
            return None
        match = re.fullmatch(rb"HTTP/1\.[01] ([0-9]{3}) ?[^\r\n]*\r\n", line)
        assert match, line
        headers: dict[str, str] = {}
        while (field := self._reader.readline()) not in (b"\r\n", b""):
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if match[1] == b"100":
            return self._answer()
        body = self._reader.read(int(headers.get("content-length", "0")))
        return Answer(int(match[1]), headers, body)
