"""The one ApiServiceClass of an operator that may read nothing cluster-wide: a file, mounted into its pod.

It is read once, at the start: the chart starts new pods when it changes. There is no other class then.
"""

from pathlib import Path

import yaml
from pydantic import ValidationError

from fairlead_contract.resources import ApiServiceClass
from fairlead_operator.cluster.store import Whole

VERSION = "1"


def read(path: Path) -> Whole:
    """The class as the API server would give it. ValueError names the file, and what is wrong with it."""
    try:
        content = yaml.safe_load(path.read_text())
        ApiServiceClass.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise ValueError(f"FAIRLEAD_CLASS_FILE: {path} holds no ApiServiceClass: {error}") from error
    metadata = content["metadata"] | {"uid": "", "resourceVersion": VERSION}
    return Whole.read(content | {"metadata": metadata})
