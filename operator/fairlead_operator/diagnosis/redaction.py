"""Remove credentials from a container's message before it gets into a status, an Event or a log. Pure.

The operator never reads a Secret, so this is a heuristic that may remove too much: the user part of a URL, the value of
a key with a revealing name, and what has the form of a token. What comes from a container may be made to cost time, so
every repetition that could be tried again has a bound.
"""

import re

HIDDEN = "***"
_TELLING = (
    r"password|passwd|passphrase|pwd|secret|token|credentials?|api[-_]?key|access[-_]?key(?:[-_]?id)?"
    r"|private[-_]?key|authorization|signature"
)
_RULES = (
    (re.compile(r"-----BEGIN [^-]+-----.*?(?:-----END [^-]+-----|\Z)", re.DOTALL), HIDDEN),
    # Up to the last @, because passwords may hold one.
    (re.compile(r"://[^\s\"'<>]{0,512}@"), f"://{HIDDEN}@"),
    (re.compile(r"\b(Bearer|Basic)\s{1,8}[^\s,;\"']+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (
        re.compile(
            rf"((?:{_TELLING})[\w.-]{{0,40}}[\"']?\s{{0,8}}[=:]\s{{0,8}})"
            rf"(?!(?:Bearer|Basic)\s)(?:\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z)|[^\s,;&\"']+)",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"), HIDDEN),
    # What begins as a JWT does. Asking for its dots would mean to look for them at every such place of a long text.
    (re.compile(r"\beyJ[\w.-]+"), HIDDEN),
)


def redact(text: str) -> str:
    """`text` without what looks like a credential."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
