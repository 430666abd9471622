"""`/problems/NAME`: what each type of problem means, and `/problems`, the list. They work offline.

The `type` of a problem is the path of its page, so it leads to whoever answered (RFC 9457, 3.1.1). A page is HTML
without style or script.
"""

import re
from functools import partial
from html import escape

from fairlead_workload.api.messages.request import Request
from fairlead_workload.api.messages.responses import Headers, Response
from fairlead_workload.api.pages.public import Page, cached_page
from fairlead_workload.model import problems

_HEADERS: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
_CODE = re.compile("`([^`]+)`")


def problem_pages() -> dict[str, Page]:
    """The pages by path."""
    known: dict[str, Page] = {}

    async def page(request: Request) -> Response:
        from fairlead_contract.problems import BY_SLUG  # most processes never serve it

        slug = request.raw_path.rpartition("/")[2]
        if slug not in BY_SLUG:
            raise problems.not_found("There is no problem of this name.")
        return await known.setdefault(slug, cached_page(partial(_render, slug)))(request)

    return {problems.TYPE_BASE.rstrip("/"): cached_page(_render_list), f"{problems.TYPE_BASE}{{name}}": page}


def _render(slug: str) -> tuple[Headers, bytes]:
    from fairlead_contract.problems import BY_SLUG

    problem = BY_SLUG[slug]
    rows = [("Status", str(problem.status)), ("When", problem.cause), ("What to do", problem.remedy)]
    if fields := (*problem.headers, *problem.alternatives):
        rows.append(("Header fields", ", ".join(f"`{name}`" for name in fields)))
    terms = "".join(f"<dt>{name}</dt><dd>{_html(text)}</dd>\n" for name, text in rows)
    return _page(
        problem.title, f'<dl>\n{terms}</dl>\n<p><a href="{problems.TYPE_BASE.rstrip("/")}">All problems</a></p>'
    )


def _render_list() -> tuple[Headers, bytes]:
    from fairlead_contract.problems import PROBLEMS

    items = "".join(
        f'<li>{problem.status}: <a href="{problem.uri}">{escape(problem.title)}</a></li>\n' for problem in PROBLEMS
    )
    return _page("Problems", f"<ul>\n{items}</ul>")


def _page(title: str, body: str) -> tuple[Headers, bytes]:
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
</head>
<body>
<h1>{escape(title)}</h1>
{body}
</body>
</html>
"""
    return _HEADERS, text.encode()


def _html(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))
