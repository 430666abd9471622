"""Runtime documents as the operator writes them, for workloads in child processes and in containers."""

import json
from pathlib import Path
from typing import Any

from fairlead_contract.runtime import derive
from fairlead_contract.spec.apiservice import ApiService

Json = dict[str, Any]
PRODUCTS: Json = {
    "name": "products",
    "key": {"partition": "id"},
    "schema": {
        "type": "object",
        "required": ["id", "price"],
        "properties": {"id": {"type": "string"}, "price": {"type": "number"}},
    },
    "writes": "Accepted",
    "cache": {"strategy": "ReadThrough"},
}
EMBEDDED: Json = {
    "api": {"resources": [PRODUCTS]},
    "datastore": {"type": "SQLite"},
    "cache": {"type": "Memory"},
    "queue": {"type": "SQLite"},
    "worker": {"timeout": "5s"},
}
MYSQL: Json = {
    "type": "MySQL",
    "mysql": {"host": "db.shop.svc", "database": "shop", "credentialsSecret": {"name": "shop-db"}},
}
MYSQL: Json = {
    "type": "MySQL",
    "mysql": {"host": "db.shop.svc", "database": "shop", "credentialsSecret": {"name": "shop-db"}},
}


def runtime(**spec: Any) -> Json:
    """The runtime document of an ApiService on embedded bindings; `spec` replaces members of it, None removes them."""
    merged = {name: value for name, value in (EMBEDDED | spec).items() if value is not None}
    metadata = {"name": "products", "namespace": "shop"}
    resource = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiService", "metadata": metadata, "spec": merged}
    document = derive(ApiService.model_validate(resource))
    plain: Json = document.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain


def write(path: Path, document: Json) -> Path:
    """Leave `document` in `path`, readable for everybody as a mounted ConfigMap is."""
    path.write_text(json.dumps(document))
    path.chmod(0o644)
    return path
