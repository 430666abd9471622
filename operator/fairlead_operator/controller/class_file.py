"""The one ApiServiceClass of an operator that may read nothing cluster-wide: a file, mounted into its pod.

It is read once, at the start: the chart starts new pods when it changes. There is no other class then. No API server
has seen it, so every rule of the definition is checked here.
"""

from pathlib import Path

import yaml

from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_contract.validation.rules import check
from fairlead_operator.cache.records import CachedResource

VERSION = "1"


def read(path: Path) -> CachedResource:
    """The class as the API server would give it. ValueError names the file, and what is wrong with it."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"FAIRLEAD_CLASS_FILE: {path} holds no ApiServiceClass: {error}") from error
    checked = check(content)
    if not isinstance(checked.resource, ApiServiceClass):
        faults = (
            "; ".join(f"{each.path}: {each.message}; {each.remedy}" for each in checked.errors) or "it is another kind"
        )
        raise ValueError(f"FAIRLEAD_CLASS_FILE: {path} holds no ApiServiceClass: {faults}")
    metadata = content["metadata"] | {"uid": "", "resourceVersion": VERSION}
    return CachedResource.read(content | {"metadata": metadata})
