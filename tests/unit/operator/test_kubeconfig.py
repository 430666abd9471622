"""Which cluster, as whom: kubeconfigs as people have them."""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead_cli.plan import exec_plugin
from fairlead_operator.kube import credentials
from fairlead_operator.kube.kubeconfig import Access, Login, Unusable, access


def config(path: Path, *names: str, current: str = "", user: dict[str, Any] | None = None, **cluster: Any) -> Path:
    """A kubeconfig with a context, cluster and user of each name."""
    content: dict[str, Any] = {
        "current-context": current or names[0],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, "namespace": f"{name}-space"}} for name in names
        ],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}"} | cluster} for name in names],
        "users": [{"name": name, "user": {"token": f"{name}-{path.stem}"} if user is None else user} for name in names],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def read(*paths: Path, context: str | None = None) -> Access:
    environment = {"KUBECONFIG": ":".join(map(str, paths)), "PATH": "/usr/bin:/bin"}
    return access(None, context, environment=environment, run_plugin=exec_plugin.credentials)


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


PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}


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


def test_the_operator_reads_the_same_kubeconfig_and_runs_no_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(tmp_path / "one", "a", server="http://127.0.0.1:1")
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert credentials.login().token == "a-one"
    command = plugin(tmp_path / "plugin", f"touch {tmp_path}/ran")
    config(tmp_path / "one", "a", user={"exec": PLUGIN | {"command": command}})
    with pytest.raises(credentials.LoginError, match="exec plugin, and no other program is run here; use a token"):
        credentials.login()
    assert not (tmp_path / "ran").exists()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(credentials.LoginError, match="neither a ServiceAccount token, nor a kubeconfig: no kubeconfig"):
        credentials.login()


@pytest.mark.parametrize(
    ("text", "hint"),
    [("exit 1", "get it from your platform team"), ("echo no json", "get it from your platform team")],
    ids=["it fails", "it says something else"],
)
def test_an_exec_plugin_that_does_not_help_is_named(tmp_path: Path, text: str, hint: str) -> None:
    command = plugin(tmp_path / "plugin", text)
    path = config(tmp_path / "one", "a", user={"exec": PLUGIN | {"command": command, "installHint": hint}})
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
def test_what_cannot_be_used_is_reported(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "one"
    path.write_text(content)
    with pytest.raises(Unusable, match=message):
        read(path)


CERTIFICATE = {"client-certificate-data": "eA==", "client-key-data": "eA=="}
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a field of the user that nobody knows": ({"tokenfile": "x"}, {}, "user a has tokenfile, which is not understood"),
    "a field of the cluster that nobody knows": ({}, {"proxy": "x"}, "cluster a has proxy, which is not understood"),
    "a field of a plugin that nobody knows": ({"exec": {"arg": "x"}}, {}, "exec of the kubeconfig's user a has arg"),
    "a number as a user": ({"as": 5}, {}, "as of the kubeconfig's user a is not text; correct it"),
    "one group in place of a list": ({"as": "b", "as-groups": "c"}, {}, "as-groups of .* is not a list"),
    "a number among the groups": ({"as": "b", "as-groups": [5]}, {}, "is not printable text throughout"),
    "a line break in a user": ({"as": "b\nX-Header: c"}, {}, "is not printable text throughout"),
    "one value of an extra": ({"as": "b", "as-user-extra": {"c": "d"}}, {}, "as-user-extra .* not a map of lists"),
    "groups of nobody": ({"as-groups": ["c"]}, {}, "but no `as`; give the user that they are of"),
    "a uid of nobody": ({"as-uid": "c"}, {}, "but no `as`; give the user that they are of"),
    "an extra of nobody": ({"as-user-extra": {"c": ["d"]}}, {}, "but no `as`; give the user that they are of"),
    "a dropped kind of login": (
        {"auth-provider": {"name": "gcp"}},
        {},
        "an auth-provider, which Kubernetes has dropped",
    ),
    "two ways to log in": (
        {"token": "x", "username": "b", "password": "c"},
        {},
        "both a token and a username; leave one of them out",
    ),
    "a name without a password": ({"username": "b"}, {}, "only one of username and password"),
    "a certificate without its key": (
        {"client-certificate-data": "eA=="},
        {},
        "only one of client-certificate and client-key",
    ),
    "a key without its certificate": ({"client-key": "x"}, {}, "only one of client-certificate and client-key"),
    "a certificate that is none": (CERTIFICATE, {}, "certificate or key of the kubeconfig cannot be used"),
    "a proxy of another kind": ({}, {"proxy-url": "socks5://x:1"}, "proxy-url is not understood here; use one that"),
    "both trust and none": (
        {},
        {"insecure-skip-tls-verify": True, "certificate-authority-data": "eA=="},
        "both insecure-skip-tls-verify and a certificate-authority",
    ),
    "a text in place of a truth": ({}, {"insecure-skip-tls-verify": "no"}, "is not true or false; correct it"),
    "a token that is not there": (
        {"tokenFile": "absent"},
        {},
        "absent cannot be read: No such file or directory; log in",
    ),
    "a plugin of another age": ({"exec": PLUGIN | {"apiVersion": "v1alpha1"}}, {}, "exec.apiVersion has to be client"),
    "a plugin with a slip": (
        {"exec": PLUGIN | {"interactiveMode": "Maybe"}},
        {},
        "has to be one of Never, IfAvailable",
    ),
    "a plugin that is to ask where nobody is": (
        {"exec": PLUGIN | {"interactiveMode": "Always"}},
        {},
        "wants a terminal, and there is none",
    ),
    "a plugin that gives nothing": (
        {"exec": PLUGIN | {"command": "echo", "args": ['{"status": {}}']}},
        {},
        "gave no credentials .neither a token nor a certificate",
    ),
    "an authority that is no base64": (
        {},
        {"certificate-authority-data": "%%%"},
        "cluster a is not base64; correct it",
    ),
    "a token file beside a name": (
        {"tokenFile": "absent", "username": "b", "password": "c"},
        {},
        "both a token and a username; leave one of them out",
    ),
    "a token with a line break": ({"token": "x\nX-Header: y"}, {}, "token of .* is not printable text; log in again"),
    "a plugin without a command": ({"exec": PLUGIN}, {}, "exec has no command; give it"),
    "a field of a variable that nobody knows": (
        {"exec": PLUGIN | {"command": "echo", "env": [{"name": "A", "valueFrom": {}}]}},
        {},
        "env of exec of the kubeconfig's user a has valueFrom",
    ),
    "a text in place of a variable": (
        {"exec": PLUGIN | {"command": "echo", "env": ["A=b"]}},
        {},
        "is not a list of names and values; correct it",
    ),
    "a variable without a value": ({"exec": PLUGIN | {"command": "echo", "env": [{"name": "A"}]}}, {}, "KeyError"),
}


@pytest.mark.parametrize(("user", "cluster", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_honoured_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: dict[str, Any], cluster: dict[str, Any], message: str
) -> None:
    path = config(tmp_path / "one", "a", user=user, **cluster)
    with Path(os.devnull).open() as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        with pytest.raises(Unusable, match=message):
            read(path)


MISPLACED: dict[str, tuple[str, dict[str, Any], str]] = {
    "beside a user": ("users", {"as": "nobody"}, "user a has as beside `user`; move it below `user`, or leave it out"),
    "beside a cluster": ("clusters", {"proxy-url": "http://x"}, "cluster a has proxy-url beside `cluster`; move it"),
    "beside a context": ("contexts", {"namespace": "shop"}, "context a has namespace beside `context`; move it below"),
    "at the top": ("", {"as": "nobody"}, "one has as, which is not understood here"),
    "another kind": ("", {"kind": "Secret"}, "one is no kubeconfig; check the path"),
    "another version": ("", {"apiVersion": "v2"}, "one is no kubeconfig; check the path"),
    "a list as a name": ("users", {"name": ["a"]}, "one has a user that is not a name and a map; correct it"),
}


@pytest.mark.parametrize(("place", "fields", "message"), MISPLACED.values(), ids=MISPLACED)
def test_nothing_is_passed_over_because_it_is_in_another_place(
    tmp_path: Path, place: str, fields: dict[str, Any], message: str
) -> None:
    path = config(tmp_path / "one", "a", "b")
    content = yaml.safe_load(path.read_text())
    item = content[place][0] if place else content
    item |= fields
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(Unusable, match=re.escape(message)):
        read(path)


def test_what_is_wrong_with_an_entry_that_is_not_asked_for_does_no_harm(tmp_path: Path) -> None:
    path = config(tmp_path / "one", "a", "b")
    content = yaml.safe_load(path.read_text())
    content["users"][1] |= {"as": "nobody"}
    path.write_text(yaml.safe_dump(content | {"apiVersion": "v1", "kind": "Config", "preferences": {}}))
    assert read(path).info.token == "a-one"


@pytest.mark.parametrize("kind", ["context", "cluster", "user"])
def test_two_entries_of_one_name_are_refused(tmp_path: Path, kind: str) -> None:
    path = config(tmp_path / "one", "a")
    content = yaml.safe_load(path.read_text())
    content[f"{kind}s"] *= 2
    path.write_text(json.dumps(content))
    with pytest.raises(Unusable, match=f"one has two {kind}s of the name a; take one of them out"):
        read(path)


def test_everything_else_of_other_programs_is_left_alone(tmp_path: Path) -> None:
    theirs = [{"name": "minikube", "extension": {"provider": "x"}}]
    assert read(config(tmp_path / "one", "a", user={"token": "x", "extensions": theirs}, extensions=theirs)).info.token


def login(tmp_path: Path, user: dict[str, Any], **cluster: Any) -> Login:
    info = read(config(tmp_path / "one", "a", user=user, **cluster)).info
    assert isinstance(info, Login)
    return info


def test_whom_the_user_acts_as_goes_with_every_request(tmp_path: Path) -> None:
    extra = {"scopes": ["view", "edit"], "example.com/team%": ["shop"]}
    user = {"as": "b", "as-uid": "7", "as-groups": ["c", "d"], "as-user-extra": extra}
    assert login(tmp_path, user, **{"disable-compression": True}).extra_headers == (
        ("Accept-Encoding", "identity"),
        ("Impersonate-User", "b"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "c"),
        ("Impersonate-Group", "d"),
        ("Impersonate-Extra-example.com%2Fteam%25", "shop"),
        ("Impersonate-Extra-scopes", "view"),
        ("Impersonate-Extra-scopes", "edit"),
    )


def test_the_way_to_the_server_is_taken_as_it_is_written(tmp_path: Path) -> None:
    info = login(tmp_path, {}, **{"tls-server-name": "kubernetes", "proxy-url": "http://user:word@proxy:3128"})
    assert (info.server_name, info.proxy_url) == ("kubernetes", "http://user:word@proxy:3128")
    assert login(tmp_path, {}, server="10.0.0.1:8080").server == "http://10.0.0.1:8080"
    assert login(tmp_path, {}, server="x:6443", **{"insecure-skip-tls-verify": True}).server == "https://x:6443"


def test_of_several_ways_to_log_in_kubectls_is_taken(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file")
    never = PLUGIN | {"command": "false"}
    assert login(tmp_path, {"token": "given", "tokenFile": "token"}).token == "from-file"
    assert login(tmp_path, {"token": "given", "exec": never}).token == "given"
    assert login(tmp_path, {"username": "b", "password": "c", "exec": never}).username == "b"


def test_a_plugin_beside_the_kubeconfig_learns_all_of_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "ca.crt").write_text("authority")
    plugin(
        tmp_path / "bin" / "plugin", 'printf %s "$KUBERNETES_EXEC_INFO" > "$OUT"; echo \'{"status": {"token": "x"}}\''
    )
    cluster = {
        "tls-server-name": "kubernetes",
        "proxy-url": "http://proxy",
        "insecure-skip-tls-verify": True,
        "extensions": [
            {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}},
            {"name": "minikube", "extension": {}},
            "a text of somebody's",
        ],
    }
    environment = [{"name": "OUT", "value": str(tmp_path / "asked")}]
    exec_ = PLUGIN | {"command": "bin/plugin", "env": environment, "provideClusterInfo": True}
    assert login(tmp_path, {"exec": exec_}, **cluster).token == "x"
    asked = json.loads((tmp_path / "asked").read_text())["spec"]
    assert asked["interactive"] is False
    passed = {name: value for name, value in cluster.items() if name != "extensions"}
    assert asked["cluster"] == {"server": "https://a", "config": {"audience": "x"}} | passed


def test_without_any_file_it_is_said_where_they_are_looked_for(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no kubeconfig; set KUBECONFIG, or give --kubeconfig FILE"):
        read(tmp_path / "absent")


def test_an_unusable_token_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_text("users: [{name: a, user: {token: hush}}\n")
    with pytest.raises(Unusable) as refused:
        read(path)
    assert "hush" not in str(refused.value)
