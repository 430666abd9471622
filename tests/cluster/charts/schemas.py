"""Schemas for kubeconform from what an API server publishes at /openapi/v3: one strict file per kind and version."""

import json
from pathlib import Path
from typing import Any

from ..client import Client

LOCATION = "{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json"
Json = dict[str, Any]


def write(client: Client, folder: Path) -> str:
    """Write every schema; the value for kubeconform's -schema-location."""
    index = client.request("GET", "/openapi/v3")
    # The index comes without the media type of JSON.
    for path in index.get("paths") or json.loads(index["message"])["paths"]:
        if path.startswith(("api/", "apis/")) and path.count("/") in {1, 2}:
            _write_group(client.request("GET", f"/openapi/v3/{path}"), folder)
    return str(folder / LOCATION)


def _write_group(document: Json, folder: Path) -> None:
    schemas = document.get("components", {}).get("schemas", {})
    definitions = {name: _strict(schema) for name, schema in schemas.items()}
    for name, schema in schemas.items():
        for kind in schema.get("x-kubernetes-group-version-kind", ()):
            # kubeconform takes the version for the group of kinds that have none.
            group = kind["group"] or kind["version"]
            target = folder / f"{kind['kind'].lower()}-{group}-{kind['version']}.json"
            target.write_text(json.dumps({"$ref": f"#/definitions/{name}", "definitions": definitions}))


def _strict(schema: Any) -> Any:
    """The schema with references to the same file, and with unknown fields refused where fields are listed."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _strict(value) for key, value in schema.items() if key != "properties"}
    if isinstance(reference := changed.get("$ref"), str):
        changed["$ref"] = reference.replace("#/components/schemas/", "#/definitions/")
    if "properties" in schema:
        # A map of fields, not a schema: a field may be called "type" or "properties" too.
        changed["properties"] = {name: _strict(field) for name, field in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            changed.setdefault("additionalProperties", False)
    return changed
