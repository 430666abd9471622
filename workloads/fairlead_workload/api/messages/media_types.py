"""Content-Type of a request body (RFC 9110, 8.3).

Parameters do not change what a body is, so any are accepted; but a `charset` must be UTF-8, for JSON between systems
has no other (RFC 8259, 8.1), and a body that names another would be read as what it says it is not.
"""

import re
from functools import lru_cache

from fairlead_workload.api.messages.request import Request
from fairlead_workload.model import problems

JSON = ("application/json",)
PATCH = ("application/merge-patch+json", "application/json")

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - no secret
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*"))?')
_ESSENCE = re.compile(rf"[ \t]*({_TOKEN}/{_TOKEN})")
_ESCAPE = re.compile(r"\\(.)")
_UTF_8 = ("utf-8", "utf8")


def check_type(request: Request, accepted: tuple[str, ...]) -> None:
    """Raise Problem `unsupported-media-type` for another type, `bad-request` for a field that cannot be read."""
    field_value = request.headers.get(b"content-type", b"")
    if field_value == b"application/json":
        return
    parsed = _parsed(field_value) if len(field_value) <= 256 else _parsed.__wrapped__(field_value)
    if field_value.strip() and parsed is None:
        raise problems.bad_request(
            "Content-Type takes a media type such as application/json, and parameters name=value."
        )
    field = "accept-patch" if accepted is PATCH else "accept"
    if parsed is None or parsed[0] not in accepted:
        raise problems.unsupported_media_type(accepted, field=field)
    if not parsed[1]:
        raise problems.unsupported_media_type(accepted, field=field, detail="Send the body in UTF-8.")


@lru_cache(maxsize=256)
def _parsed(field: bytes) -> tuple[str, bool] | None:
    """The media type in lower case and whether it is UTF-8; None for a field that is no media type."""
    text = field.decode("latin-1").rstrip(" \t")
    essence = _ESSENCE.match(text)
    if essence is None:
        return None
    position, unicode = essence.end(), True
    while position < len(text):
        parameter = _PARAMETER.match(text, position)
        if parameter is None:
            return None
        position = parameter.end()
        if (parameter[1] or "").lower() == "charset":
            unicode = unicode and _plain(parameter[2]).lower() in _UTF_8
    return essence[1].lower(), unicode


def _plain(value: str) -> str:
    return _ESCAPE.sub(r"\1", value[1:-1]) if value.startswith('"') else value
