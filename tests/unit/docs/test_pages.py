"""The documentation holds together: links lead somewhere, and the glossary has each term once."""

import re
from pathlib import Path

import pytest
from tests.pages import Table, pieces

from fairlead_contract.crd.field_reference import anchor

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("README.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")


def anchors(page: Path) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)}


def prose(page: Path) -> str:
    """The text without what is in blocks and code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    lost = []
    for path, heading in LINK.findall(re.sub(r"`[^`\n]*`(?!\])", "", prose(page))):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (heading and heading not in anchors(target)):
            lost.append(f"{path}#{heading}")
    assert lost == []


def test_every_page_is_named_in_the_readme_or_another_page() -> None:
    linked = {
        (page.parent / path).resolve()
        for page in PAGES
        for path, _ in LINK.findall(prose(page))
        if path.endswith(".md")
    }
    docs = {page for page in PAGES if page.parent == ROOT / "docs" or page.parent == ROOT / "docs" / "reference"}
    assert docs - linked == set()


def test_the_glossary_has_each_term_once_and_in_order() -> None:
    tables = [piece for piece in pieces("glossary.md") if isinstance(piece, Table)]
    terms = [[row["Term"] for row in table.rows] for table in tables]
    assert all(part == sorted(part, key=str.lower) for part in terms)
    known = [term.lower() for part in terms for term in part]
    assert len(set(known)) == len(known)
    avoided = {
        name.strip() for table in tables for row in table.rows for name in re.sub(r"\(.*?\)", "", row["Not"]).split(",")
    }
    assert not avoided & set(known), "a name is a term, or it is avoided"
