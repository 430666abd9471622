"""What of a called service's answer later steps can use, and where it points when it is a redirect. Pure.

A 2xx is an answer whatever its body is, for the service has done its part. A body that the progress or an expression
could not hold is null, as one that is too long is.
"""

from typing import Any
from urllib.parse import urljoin, urlsplit

from fairlead_workload.model.keys import INT_MAX, INT_MIN

MAX_DEPTH = 64  # as of request bodies
MAX_LOCATION = 200


def kept(body: Any) -> Any:
    """`body`, or None when it is nested deeper than MAX_DEPTH, or holds U+0000 or an integer of more than 64 bit."""
    return body if _fits(body, 1) else None


def _fits(value: Any, depth: int) -> bool:
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, int):
        return INT_MIN <= value <= INT_MAX
    if isinstance(value, dict):
        return depth <= MAX_DEPTH and all("\0" not in name and _fits(item, depth + 1) for name, item in value.items())
    if isinstance(value, list):
        return depth <= MAX_DEPTH and all(_fits(item, depth + 1) for item in value)
    return True


def target(url: str, location: str) -> str:
    """Where a redirect from `url` leads, for a message: the path on the same service, else the address. No secrets."""
    try:
        requested, redirected = urlsplit(url), urlsplit(urljoin(url, location))
        origin = f"{redirected.scheme}://{redirected.hostname}" + (f":{redirected.port}" if redirected.port else "")
        elsewhere = (redirected.scheme, redirected.hostname, redirected.port) != (
            requested.scheme,
            requested.hostname,
            requested.port,
        )
    except ValueError:
        return ""
    text = f"{origin if elsewhere else ''}{redirected.path or '/'}"
    return text[:MAX_LOCATION] if location and text.isprintable() else ""
