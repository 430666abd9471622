"""What an object of the API server is in Python: the JSON object as it is read and written."""

from collections.abc import Mapping
from typing import Any

LABEL_COMPONENT = "app.kubernetes.io/component"

Manifest = dict[str, Any]
ReadOnlyManifest = Mapping[str, Any]
"""Of an argument that is only read."""
