"""The class in a mounted file."""

from pathlib import Path

import pytest

from fairlead_operator.cache.records import CachedResource
from fairlead_operator.controller import class_file
from fairlead_operator.plan import classes

CLASS = """
apiVersion: fairlead.dev/v1alpha1
kind: ApiServiceClass
metadata: {name: team}
spec: {isDefault: true, limits: {maxReplicas: 5}}
"""


def test_the_class_is_found_as_if_it_came_from_the_api_server(tmp_path: Path) -> None:
    file = tmp_path / "class.yaml"
    file.write_text(CLASS)
    found = class_file.read(file)
    assert isinstance(found, CachedResource)
    assert found.owner == ("", "team")
    assert found.content["metadata"]["resourceVersion"]
    assert classes.choose({"spec": {}}, {"team": found.content}) == ("team", found.content)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kind: [",
        CLASS.replace("maxReplicas: 5", "maxReplicas: many"),
        CLASS.replace("ApiServiceClass", "ConfigMap"),
        CLASS.replace("ApiServiceClass", "ApiService"),
        CLASS.replace("limits", "networkPolicy: {ingressFrom: [{}]}, limits"),
        CLASS.replace("limits", "monitoring: {labels: {release: a b}}, limits"),
    ],
    ids=["nothing", "no YAML", "a wrong type", "another kind", "a kind of ours", "a broken rule", "a wrong value"],
)
def test_a_file_that_holds_no_class_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "class.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"FAIRLEAD_CLASS_FILE: .*class\.yaml holds no ApiServiceClass"):
        class_file.read(file)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "class.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"FAIRLEAD_CLASS_FILE: .*class\.yaml holds no ApiServiceClass"):
        class_file.read(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        class_file.read(tmp_path / "class.yaml")
