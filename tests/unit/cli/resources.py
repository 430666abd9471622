"""Resources for the tests of the command line."""

from typing import Any

from fairlead_contract.spec.apiservice import ApiService

QUEUE = {"type": "SQLite"}


def resource(**changes: Any) -> dict[str, Any]:
    """One REST resource: `things`, with the key `id`."""
    plain = {
        "name": "things",
        "key": {"partition": "id"},
        "schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
    }
    return plain | changes


def service(*resources: dict[str, Any], **spec: Any) -> ApiService:
    """An ApiService `shop/things` that binds SQLite."""
    return ApiService.model_validate(
        {
            "apiVersion": "fairlead.dev/v1alpha1",
            "kind": "ApiService",
            "metadata": {"name": "things", "namespace": "shop"},
            "spec": {"api": {"resources": resources or [resource()]}, "datastore": {"type": "SQLite"}} | spec,
        }
    )
