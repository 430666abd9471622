"""The reference has every field of every kind once, with bounds, default and rules, and its links lead somewhere."""

import re
from collections.abc import Iterator

import pytest

from fairlead_contract.crd.definitions import KINDS, Kind
from fairlead_contract.crd.field_reference import anchor, markdown
from fairlead_contract.crd.structural_schema import structural
from fairlead_contract.json_schema.keywords import Json

ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \| (.*?) \| (.+) \|$", re.MULTILINE)
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def schema(kind: Kind) -> Json:
    return structural(kind.model, without=("apiVersion", "kind", "metadata"))


def rows(kind: Kind) -> dict[str, tuple[str, str, str]]:
    found = ROW.findall(markdown(kind).replace("\\|", "¦"))
    assert len({path for path, *_ in found}) == len(found), "no field is there twice"
    return {path: (type_, default, description) for path, type_, default, description in found}


def fields(node: Json, path: str, described: dict[str, tuple[str, str, str]]) -> Iterator[str]:
    """Every field that needs a row: not those of an object that is described elsewhere."""
    for name, child in node.get("properties", {}).items():
        place = f"{path}.{name}" if path else name
        if path:
            yield place
        if " of [as " in f" of {described.get(place, ('',))[0]}":
            continue
        below = child
        while below["type"] == "array" or isinstance(below.get("additionalProperties"), dict):
            place, below = (
                (f"{place}[]", below["items"])
                if below["type"] == "array"
                else (f"{place}.*", below["additionalProperties"])
            )
        yield from fields(below, place, described)


@kinds
def test_every_field_has_one_row(kind: Kind) -> None:
    described = rows(kind)
    assert set(described) == set(fields(schema(kind), "", described))


@kinds
def test_every_link_leads_to_one_heading(kind: Kind) -> None:
    page = markdown(kind)
    headings = [anchor(heading) for heading in re.findall(r"^#+ (.*)$", page, re.MULTILINE)]
    assert len(set(headings)) == len(headings)
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= set(headings)


@kinds
def test_every_rule_is_there_in_words(kind: Kind) -> None:
    def messages(node: Json) -> Iterator[str]:
        yield from (rule["message"] for rule in node.get("x-kubernetes-validations", ()))
        for child in (*node.get("properties", {}).values(), node.get("items"), node.get("additionalProperties")):
            if isinstance(child, dict):
                yield from messages(child)

    page = markdown(kind)
    assert [message for message in messages(schema(kind)) if message not in page] == []


@pytest.mark.parametrize(
    ("path", "type_", "default"),
    [
        ("spec.api", "[object](#specapi)", "required"),
        ("spec.api.resources[].reads", "`Strong` or `Eventual`", "`Eventual`"),
        ("spec.api.resources[].cache.local.maxEntries", "integer, 1 to 1000000", "`10000`"),
        (
            "spec.api.resources[].references",
            "list of [object](#specapiresourcesreferences) (at most 16 items, one per `field`)",
            "",
        ),
        ("spec.api.version", "string, `^v[1-9][0-9]{0,2}$`", "`v1`"),
        ("spec.datastore", "[object](#specdatastore)", "its defaults"),
        ("spec.datastore.postgresql.pool.max", "integer, 1 to 200", "`10`"),
        (
            "spec.datastore.mysql.readReplica",
            "[as spec.datastore.postgresql.readReplica](#specdatastorepostgresqlreadreplica)",
            "",
        ),
        ("spec.queue.retry.maxAge", "[duration](#formats)", "`24h`"),
        ("spec.worker.handlers[].steps[].when", "string (1 to 1024 characters)", ""),
        ("spec.worker.handlers[].steps[].set", "map of string (1 to 1024 characters) (1 to 32 entries)", ""),
        ("spec.worker.handlers[].steps[].call.service.port", "integer, 1 to 65535", "`80`"),
        (
            "spec.worker.handlers[].onFailure",
            "list of [as spec.worker.handlers[].steps[]](#specworkerhandlerssteps) (at most 32 items, one per `name`)",
            "",
        ),
    ],
)
def test_a_row_says_type_bounds_and_default(path: str, type_: str, default: str) -> None:
    assert rows(KINDS[0])[path][:2] == (type_, default)


def test_what_nothing_serves_yet_is_said() -> None:
    described = rows(KINDS[0])
    assert "Not served yet" in described["spec.security.rateLimit"][2]
    assert "Not served yet" not in described["spec.security.cors"][2]
