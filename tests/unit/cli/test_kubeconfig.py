"""Which cluster, as whom: kubeconfigs as people have them."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead_cli.kubeconfig import Access, Unusable, access


def config(path: Path, *names: str, current: str = "", user: dict[str, Any] | None = None, **cluster: Any) -> Path:
    """A kubeconfig with a context, cluster and user of each name."""
    content = {
        "current-context": current or names[0],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, "namespace": f"{name}-space"}} for name in names
        ],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}", **cluster}} for name in names],
        "users": [{"name": name, "user": user or {"token": f"{name}-{path.stem}"}} for name in names],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def read(*paths: Path, context: str | None = None) -> Access:
    return access(None, context, environment={"KUBECONFIG": ":".join(map(str, paths)), "PATH": "/usr/bin:/bin"})


def test_the_current_context_is_used_unless_another_is_named(tmp_path: Path) -> None:
    path = config(tmp_path / "one", "a", "b")
    assert (read(path).info.server, read(path).namespace) == ("https://a", "a-space")
    assert read(path, context="b").info.token == "b-one"


def test_of_several_files_the_first_wins_and_absent_ones_do_not_matter(tmp_path: Path) -> None:
    paths = [tmp_path / "absent", config(tmp_path / "one", "a"), config(tmp_path / "two", "a", "b", current="b")]
    assert read(*paths).info.token == "a-one"
    assert read(*paths, context="b").info.token == "b-two"


def test_a_given_file_is_the_only_one(tmp_path: Path) -> None:
    one, two = config(tmp_path / "one", "a"), config(tmp_path / "two", "b")
    assert access(str(two), environment={"KUBECONFIG": str(one)}).info.server == "https://b"


def test_files_are_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    path = config(tmp_path / "one", "a", user={"tokenFile": "token"})
    assert read(path).info.token == "secret"


def plugin(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_an_exec_plugin_is_asked(tmp_path: Path) -> None:
    answer = {"status": {"token": "$WORD-$1"}}
    command = plugin(
        tmp_path / "plugin", f'echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/asked\ncat <<END\n{json.dumps(answer)}\nEND'
    )
    exec_ = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": command,
        "args": ["x"],
        "env": [{"name": "WORD", "value": "secret"}],
        "provideClusterInfo": True,
    }
    assert read(config(tmp_path / "one", "a", user={"exec": exec_})).info.token == "secret-x"
    asked = json.loads((tmp_path / "asked").read_text())
    assert asked["kind"] == "ExecCredential"
    assert asked["apiVersion"] == "client.authentication.k8s.io/v1"
    assert asked["spec"]["cluster"] == {"server": "https://a"}


@pytest.mark.parametrize(
    ("text", "hint"),
    [("exit 1", "get it from your platform team"), ("echo no json", "get it from your platform team")],
    ids=["it fails", "it says something else"],
)
def test_an_exec_plugin_that_does_not_help_is_named(tmp_path: Path, text: str, hint: str) -> None:
    command = plugin(tmp_path / "plugin", text)
    path = config(tmp_path / "one", "a", user={"exec": {"command": command, "installHint": hint}})
    with pytest.raises(Unusable, match=f"the exec plugin {command} gave no credentials .*; {hint}"):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "cannot be read: ParserError; check that it is a kubeconfig"),
        ("text", "is no kubeconfig; check the path"),
        ("{contexts: [{name: a, context: {cluster: a}}]}", "has no current context; give --context NAME"),
        ("{current-context: b, contexts: [{name: a, context: {}}]}", "has no context b; there are: a"),
        ("{current-context: a, contexts: [{name: a, context: {cluster: x}}]}", "has no cluster x; there are: none"),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: a}}], clusters: [{name: a, cluster: {}}]}",
            "has no server",
        ),
        (
            (
                "{current-context: a, contexts: [{name: a, context: {cluster: a}}],"
                " clusters: [{name: a, cluster: {server: x, certificate-authority: absent.crt}}]}"
            ),
            "cannot be used: .*; log in again",
        ),
    ],
    ids=["no YAML", "a text", "no current context", "no context", "no cluster", "no server", "no certificate"],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "one"
    path.write_text(content)
    with pytest.raises(Unusable, match=message):
        read(path)


def test_without_any_file_it_is_said_where_they_are_looked_for(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no kubeconfig; set KUBECONFIG, or give --kubeconfig FILE"):
        read(tmp_path / "absent")


def test_an_unusable_token_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_text("users: [{name: a, user: {token: hush}}\n")
    with pytest.raises(Unusable) as told:
        read(path)
    assert "hush" not in str(told.value)
