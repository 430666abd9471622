"""`fairlead plan`: what would change on a cluster if some files were applied, by server-side dry run.

It sets the namespace of a resource without one and the exit code, and reports a cluster that cannot be reached.
Findings of the files come first, as with `render`; with errors among them no request is sent.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
from rich.console import Console

from fairlead_cli import rendering
from fairlead_cli.input import checking, documents, notices
from fairlead_cli.input.documents import Document
from fairlead_cli.input.notices import Notice
from fairlead_cli.plan import changes, dry_run, exec_plugin, text
from fairlead_cli.plan.changes import Action, ServiceChanges
from fairlead_cli.plan.dry_run import PlanInputs
from fairlead_contract.findings import Finding
from fairlead_operator.errors import ApiError, Forbidden, NotFound, OperatorError, Unauthorized, Unreachable
from fairlead_operator.kube import kubeconfig
from fairlead_operator.kube.client import Client
from fairlead_operator.kube.credentials import Credentials
from fairlead_operator.plan import Capabilities

IN_FLIGHT = 8
FAILED, CHANGES = 1, 3
ANONYMOUS = '"system:anonymous"'


@dataclass(frozen=True, slots=True)
class Options:
    """The options. `capabilities` None: those of the cluster; `image` None: the operator's, as objects show it."""

    sources: Sequence[str]
    recursive: bool
    class_file: str | None
    capabilities: Capabilities | None
    image: str | None
    usual_image: str
    context: str | None
    namespace: str | None
    kubeconfig: str | None
    output: Literal["text", "json"]
    tell_changes: bool


class NotPossible(Exception):
    """The command cannot be carried out; the text says why and what to do."""


def plan(options: Options) -> int:
    """Print what would change. Returns the exit code."""
    checked = checking.check(documents.load(options.sources, recursive=options.recursive))
    all_notices = list(checked.notices)
    if not checked.services and not notices.has_errors(all_notices):
        all_notices.append(documents.nothing(options.sources, "no ApiService found"))
    class_, class_notices = rendering.read_class(options.class_file)
    all_notices += class_notices
    all_notices += _elsewhere(checked, options.namespace)
    rendering.print_notices(all_notices)
    if notices.has_errors(all_notices):
        return FAILED
    class_manifest = class_.model_dump(mode="json", by_alias=True, exclude_none=True) if options.class_file else None
    try:
        services = asyncio.run(_request_all(options, [origin for origin, _ in checked.services], class_manifest))
    except (NotPossible, kubeconfig.Unusable) as error:
        print(f"fairlead plan: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        return FAILED
    _show(services, options.output)
    return _exit_code(services, tell_changes=options.tell_changes)


def _elsewhere(checked: checking.Checked, namespace: str | None) -> list[Notice]:
    """Resources with another namespace than the option's."""
    all_notices = []
    for origin, _ in checked.services:
        named = origin.value["metadata"].get("namespace")
        if namespace and named and named != namespace:
            remedy = "leave one of them out"
            all_notices.append(
                origin.notice(Finding("metadata.namespace", f"--namespace is {namespace}", remedy=remedy))
            )
    return all_notices


async def _request_all(
    options: Options, origins: Sequence[Document], class_: dict[str, Any] | None
) -> list[ServiceChanges]:
    def source() -> Any:
        return kubeconfig.access(options.kubeconfig, options.context, run_plugin=exec_plugin.credentials).info

    access = kubeconfig.access(options.kubeconfig, options.context, run_plugin=exec_plugin.credentials)
    credentials = Credentials(source, clock=asyncio.get_running_loop().time)
    async with Client(credentials, in_flight=IN_FLIGHT, dry_run=True) as client:
        try:
            inputs = await _inputs(client, options, class_)
            namespace = options.namespace or access.namespace or "default"
            return [await _preview(client, origin, namespace, inputs) for origin in origins]
        except OperatorError as error:
            raise NotPossible(_explained(error, access.info.server)) from error


async def _inputs(client: Client, options: Options, class_: dict[str, Any] | None) -> PlanInputs:
    try:
        served = await dry_run.served(client)
    except NotFound:
        raise NotPossible("ApiService is not defined in this cluster; install the chart fairlead-crds") from None
    if class_ is not None:
        class_ = class_ | {"metadata": class_["metadata"] | {"resourceVersion": ""}}
    return PlanInputs(served, options.capabilities or served, class_, options.image, options.usual_image)


async def _preview(client: Client, origin: Document, namespace: str, inputs: PlanInputs) -> ServiceChanges:
    metadata = origin.value["metadata"]
    manifest = origin.value | {"metadata": metadata | {"namespace": metadata.get("namespace") or namespace}}
    try:
        service, planned = await dry_run.preview(client, manifest, inputs)
    except NotFound as error:
        where = manifest["metadata"]["namespace"]
        raise NotPossible(f"{error.message}; kubectl create namespace {where}, or choose another") from error
    if planned is not None:
        rendering.print_notices(rendering.left_out(origin, planned))
    return service


def _explained(error: OperatorError, server: str) -> str:
    if isinstance(error, Unreachable):
        cause = error.__cause__
        reason = (
            str(cause.os_error if isinstance(cause, aiohttp.ClientConnectorError) else cause) or "no answer in time"
        )
        return f"{server} cannot be reached ({reason}); check the address, the network and --context"
    if isinstance(error, Unauthorized) or ANONYMOUS in str(error):
        return f"{server} does not accept the credentials; log in again, or choose another --context"
    if isinstance(error, Forbidden):
        return dry_run.denial(error)
    answer = error.message if isinstance(error, ApiError) else ""
    return f"{server} answers {answer or error}; try again"


def _show(services: Sequence[ServiceChanges], output: Literal["text", "json"]) -> None:
    if output == "text":
        text.show(services, Console(highlight=False, markup=False))
        return
    counts = changes.count(services)
    content = {
        "resources": [service.as_json() for service in services],
        "summary": {action.value: counts[action] for action in Action},
    }
    print(json.dumps(content, indent=2))  # noqa: T201


def _exit_code(services: Sequence[ServiceChanges], *, tell_changes: bool) -> int:
    counts = changes.count(services)
    if counts[Action.REFUSED]:
        return FAILED
    has_changes = any(counts[action] for action in (Action.CREATE, Action.CHANGE, Action.DELETE))
    return CHANGES if tell_changes and has_changes else 0
