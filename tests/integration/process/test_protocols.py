"""What the public port speaks: HTTP/1.1, and HTTP/2 where the resource asks for it."""

from pathlib import Path

import pytest

from .raw import Connection
from .server import EXAMPLES, http, running

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS = 4  # the type of the frame


@pytest.mark.parametrize(("protocol", "is_spoken"), [("HTTP1", False), ("H2C", True)])
def test_http2_without_tls_is_spoken_where_the_resource_says_so(protocol: str, is_spoken: bool, tmp_path: Path) -> None:
    file = tmp_path / "products.yaml"
    text = (EXAMPLES / "products.yaml").read_text()
    file.write_text(text.replace("  api:\n", f"  api:\n    protocol: {protocol}\n"))
    with running(file, tmp_path / "data") as server:
        for url, speaks in ((server.url, is_spoken), (server.admin_url, False)):
            with Connection(url) as connection:
                connection.send(PREFACE)
                try:
                    first = connection.socket.recv(9)
                except ConnectionError:
                    first = b""
            assert (first[3:4] == bytes([SETTINGS])) is speaks
            assert http.get(f"{url}/ready").status_code == 200
        assert server.stop() == 0
