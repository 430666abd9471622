"""Files, folders and standard input become documents; what cannot be read becomes a notice."""

from pathlib import Path

import pytest

from fairlead_cli.input import documents

SERVICE = "apiVersion: fairlead.dev/v1alpha1\nkind: ApiService\nmetadata: {name: shop}\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"


def write(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def test_documents_of_a_file_keep_their_position(tmp_path: Path) -> None:
    loaded = documents.load([write(tmp_path, "a.yaml", f"---\n{CONFIG}---\n# nothing\n---\n{SERVICE}")])
    assert [(each.position, each.subject, each.is_ours) for each in loaded.documents] == [
        (1, "ConfigMap settings", False),
        (3, "ApiService shop", True),
    ]
    assert loaded.notices == []


def test_a_folder_is_read_one_level_deep_unless_requested_otherwise(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.json.txt", "below/d.yaml"):
        write(tmp_path, name, SERVICE)
    flat = documents.load([str(tmp_path)])
    deep = documents.load([str(tmp_path)], recursive=True)
    assert [Path(each.file).name for each in flat.documents] == ["a.yaml", "b.yml"]
    assert [Path(each.file).name for each in deep.documents] == ["a.yaml", "b.yml", "d.yaml"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the file is empty; write an ApiService into it"),
        ("# only a comment\n", "the file is empty"),
        (b"a: \xff\xfe", "not UTF-8 (byte 4); save the file as UTF-8"),
        ("- a list\n", "document 1: not a Kubernetes object: it needs apiVersion and kind"),
        ("kind: ConfigMap\n", "document 1: not a Kubernetes object"),
        (f"{SERVICE}---\nkind: [", "document 2: line 5, column 8: not valid YAML"),
        (b" " * (documents.MAX_FILE_BYTES + 1), f"larger than {documents.MAX_FILE_BYTES} bytes"),
    ],
)
def test_what_is_not_a_resource_is_one_notice(tmp_path: Path, content: str | bytes, said: str) -> None:
    file = write(tmp_path, "a.yaml", content)
    loaded = documents.load([file])
    (notice,) = loaded.notices
    assert str(notice).startswith(f"{file}: {said}")
    assert notice.is_error


def test_one_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    write(tmp_path, "broken.yaml", "a: {")
    write(tmp_path, "empty.yaml", "")
    write(tmp_path, "good.yaml", SERVICE)
    loaded = documents.load([str(tmp_path)])
    assert [each.subject for each in loaded.documents] == ["ApiService shop"]
    assert [Path(notice.file).name for notice in loaded.notices] == ["broken.yaml", "empty.yaml"]


@pytest.mark.parametrize(
    ("name", "said"), [("absent.yaml", "cannot be read: No such file"), (".", "no .yaml, .yml or .json file")]
)
def test_a_source_without_files_is_one_notice(tmp_path: Path, name: str, said: str) -> None:
    (notice,) = documents.load([str(tmp_path / name)]).notices
    assert said in str(notice)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    loaded = documents.load([write(tmp_path, "a.yaml", b"\xef\xbb\xbf" + SERVICE.encode())])
    assert [each.subject for each in loaded.documents] == ["ApiService shop"]
