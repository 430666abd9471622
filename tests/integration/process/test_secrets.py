"""A password that clients write is in nothing that is shown: answers, lists, operations, logs, dead letters."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .payments import Payments
from .server import START_SECONDS, Running, fairlead, http, running

SECRET = "correct-horse-7"
SERVICE = """
apiVersion: fairlead.dev/v1alpha1
kind: ApiService
metadata: {name: users, namespace: shop}
spec:
  api:
    resources:
    - name: users
      key: {partition: id}
      schema: &schema
        type: object
        required: [id, name, password]
        additionalProperties: false
        properties:
          id: {type: string}
          name: {type: string}
          password: {type: string, minLength: 8, writeOnly: true}
      list: {unfiltered: true}
      cache: {strategy: WriteThrough}
    - name: members
      key: {partition: id}
      schema: *schema
      list: {unfiltered: true}
      writes: Accepted
      cache: {strategy: ReadThrough}
  datastore: {type: SQLite}
  cache: {type: Memory}
  queue: {type: SQLite, retry: {maxAttempts: 1}}
  worker:
    handlers:
    - event: users.created
      steps:
      - name: welcome
        call: {service: {name: mail, port: 80, path: /welcome}}
    - event: users.updated
      steps:
      - name: check
        call: {service: {name: mail, port: 80, path: /check}, body: "{'secret': document.password}"}
"""


def eventually(read: Callable[[], Any]) -> Any:
    """What `read` gives, once it gives something."""
    deadline = time.monotonic() + START_SECONDS
    while not (found := read()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def all_answers(server: Running, resource: str) -> list[str]:
    """The head and body of every kind of answer about one document, in the order of its life."""
    base = f"{server.url}/v1/{resource}"
    whole = {"id": "1", "name": "Ada", "password": SECRET}
    requests: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", base, whole, {"idempotency-key": "one"}),
        ("POST", base, whole, {"idempotency-key": "one"}),
        ("POST", base, whole | {"password": SECRET[:7]}, {}),
        ("POST", base, whole | {"id": 7, "colour": 1}, {}),
        ("GET", f"{base}/1", None, {}),
        ("GET", f"{base}/1", None, {}),
        ("GET", base, None, {}),
        ("PUT", f"{base}/1", {"name": "Eve"}, {}),
        ("PUT", f"{base}/1", {"name": "Eve", "password": SECRET + "!"}, {}),
        ("PATCH", f"{base}/1", {"name": "Ada"}, {}),
        ("PATCH", f"{base}/1", {"password": SECRET[:7]}, {}),
        ("PATCH", f"{base}/1", {"password": SECRET}, {}),
        ("GET", f"{base}/1", None, {"cache-control": "no-cache"}),
        ("PUT", f"{base}/1", {"name": "Eve"}, {"if-match": '"1"'}),
    ]
    found = []
    for method, url, body, headers in requests:
        answer = http.request(method, url, json=body, headers=headers)
        assert answer.status_code < 500, answer.text
        found.append(f"{answer.headers}\n{answer.text}")
        if answer.status_code == 202:
            found.append(eventually(lambda url=server.url + answer.headers["location"]: ended(url)))
    return found


def ended(url: str) -> str | None:
    text = http.get(url).text
    return None if '"Pending"' in text else text


def letters(file: Path, data_dir: Path) -> str | None:
    """Every dead letter in full, once one is there for each kind of event."""
    command = ["-f", str(file), "--data-dir", str(data_dir)]
    listed = fairlead("dlq", "list", *command, "--output", "json")
    found = json.loads(listed.stdout)["items"]
    if len({letter["eventType"] for letter in found}) < 2:
        return None
    ids = [option for letter in found for option in ("--id", letter["id"])]
    return listed.stdout + fairlead("dlq", "show", *command, *ids).stdout


def test_a_password_is_shown_nowhere_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "users.yaml"
    file.write_text(SERVICE)
    with Payments() as mail:
        mail.status = 402
        with running(file, tmp_path / "data", "--service", f"mail={mail.url}") as server:
            shown = all_answers(server, "users") + all_answers(server, "members")
            shown.append(eventually(lambda: letters(file, tmp_path / "data")))
            shown.append(http.get(f"{server.admin_url}/metrics").text)
            assert server.stop() == 0
            shown += [server.out, server.err]
        assert [text for text in shown if SECRET[:7] in text] == []
        welcome, *checks = mail.bodies
    assert SECRET.encode() not in welcome
    assert {json.loads(body)["secret"] for body in checks} >= {SECRET, SECRET + "!"}
