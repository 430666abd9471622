"""`/docs`: one self-contained HTML page that reads `/openapi.json`. It works offline.

Its content security policy names its own style and script by hash and allows only our own origin.
"""

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from fairlead_workload.api.messages.responses import Headers

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def render() -> tuple[Headers, bytes]:
    """Header fields and bytes of the page."""
    text = (files("fairlead_workload.api.pages") / "docs.html").read_text(encoding="utf-8")
    headers: Headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", _policy(text).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
    return headers, text.encode()


def _policy(text: str) -> str:
    style, script = (_hashes(pattern, text) for pattern in (_STYLE, _SCRIPT))
    return (
        f"default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hashes(pattern: re.Pattern[str], text: str) -> str:
    digests = (sha256(part.encode()).digest() for part in pattern.findall(text))
    return " ".join(f"'sha256-{b64encode(digest).decode()}'" for digest in digests)
