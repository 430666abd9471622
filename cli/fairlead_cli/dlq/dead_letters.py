"""`fairlead dlq`: look at, send back and remove the dead letters of one ApiService, beside a running server or without.

This module chooses the ApiService of the files and prints. Nothing is removed without `--yes`.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fairlead_cli.dlq import text
from fairlead_cli.input import checking, documents, notices
from fairlead_cli.input.documents import Document
from fairlead_cli.input.notices import Notice
from fairlead_cli.run import embedded
from fairlead_contract.findings import Finding
from fairlead_contract.json_schema.write_only import write_only
from fairlead_contract.spec.apiservice import ApiService
from fairlead_workload.adapters import Surroundings, opened
from fairlead_workload.errors import DependencyError, Misconfigured
from fairlead_workload.events.redaction import Hidden
from fairlead_workload.queues.base import DeadLetters, LetterFilter
from fairlead_workload.stores.base import OutboxSource
from fairlead_workload.worker.failures import dlq as dead_letters
from fairlead_workload.worker.failures.refused_events import AllDeadLetters

Work = Callable[[DeadLetters, Hidden], Awaitable[int]]
Output = Literal["table", "json"]


class NotPossible(Exception):
    """The command cannot be carried out; carries the lines to print."""

    def __init__(self, *notices: Notice) -> None:
        super().__init__(*notices)
        self.notices = notices


@dataclass(frozen=True, slots=True)
class Target:
    """Whose dead letters. `name` chooses among several ApiServices: NAME or NAMESPACE/NAME."""

    sources: Sequence[str]
    recursive: bool
    name: str | None
    data_dir: Path | None


def carry_out(target: Target, work: Work) -> int:
    """Do `work` on the dead letters of `target`, given what is not to be shown of them. Returns the exit code."""
    try:
        return asyncio.run(_carry_out(target, work))
    except NotPossible as error:
        for notice in error.notices:
            print(notice, file=sys.stderr)  # noqa: T201
        return 1


async def _carry_out(target: Target, work: Work) -> int:
    origin, resource, alone = _choose(target)
    folder = embedded.data_dir(resource, target.data_dir, alone=alone)
    async with _open(origin, resource, folder) as queue:
        return await work(queue, {each.name: write_only(each.schema_.plain) for each in resource.spec.api.resources})


def _choose(target: Target) -> tuple[Document, ApiService, bool]:
    """The ApiService that is meant, and whether it is alone in the files."""
    checked = checking.check(documents.load(target.sources, recursive=target.recursive))
    if checked.has_errors:
        raise NotPossible(*(notice for notice in checked.notices if notice.is_error))
    candidates = [each for each in checked.services if target.name in (None, *_names(each[1]))]
    if len(candidates) == 1:
        return *candidates[0], len(checked.services) == 1
    names = ", ".join(f"{each.metadata.namespace}/{each.metadata.name}" for _, each in checked.services) or "none"
    if target.name is None and candidates:
        raise NotPossible(
            notices.error(_files(target), "several ApiServices are here", f"choose one with --name: {names}")
        )
    subject = f"no ApiService `{target.name}`" if target.name else "no ApiService"
    raise NotPossible(notices.error(_files(target), f"{subject} is here", f"there are: {names}"))


def _names(resource: ApiService) -> tuple[str, str]:
    return resource.metadata.name, f"{resource.metadata.namespace}/{resource.metadata.name}"


def _files(target: Target) -> str:
    return ", ".join(target.sources)


@asynccontextmanager
async def _open(origin: Document, resource: ApiService, folder: Path) -> AsyncIterator[DeadLetters]:
    document = embedded.embed(resource)
    if document.queue is None:
        raise NotPossible(origin.notice(Finding("spec.queue", "there is no queue, so there are no dead letters")))
    async with AsyncExitStack() as stack:
        try:
            adapters = await stack.enter_async_context(opened(document, Surroundings(folder, exclusive=False)))
        except Misconfigured as error:
            raise NotPossible(origin.notice(Finding(error.path, error.message, remedy=error.remedy))) from None
        if not isinstance(adapters.queue, DeadLetters) or not isinstance(adapters.store, OutboxSource):
            raise TypeError("the embedded adapters keep dead letters and an outbox")
        try:
            yield AllDeadLetters(adapters.queue, adapters.store)
        except DependencyError as error:
            raise NotPossible(origin.notice(Finding(str(folder), str(error), remedy="try again"))) from None


async def show_list(queue: DeadLetters, match: LetterFilter, hidden: Hidden, *, most: int, output: Output) -> int:
    """Print the letters that match, oldest failure first. Exit code 1 when one that is named by id is not there."""
    letters = await dead_letters.matching(queue, match, most=most + 1)
    shown = letters[:most]
    if output == "json":
        _print_json([text.as_json(letter, hidden) for letter in shown])
    elif shown:
        _print_table([text.row(letter) for letter in shown])
    else:
        _say("no dead letters match")
    if len(letters) > most:
        _say(f"there are more than {most}; see more with --max")
    return _exit_code(await dead_letters.absent(queue, match))


async def show_in_full(queue: DeadLetters, match: LetterFilter, hidden: Hidden, *, output: Output) -> int:
    """Print the letters named by id in full. Exit code 1 when one is not there."""
    letters = await dead_letters.matching(queue, match)
    if output == "json":
        _print_json([text.as_json(letter, hidden) for letter in letters])
    elif letters:
        print("\n\n".join(text.in_full(letter, hidden) for letter in letters))  # noqa: T201
    return _exit_code(await dead_letters.absent(queue, match))


async def redrive(
    queue: DeadLetters, match: LetterFilter, *, most: int | None, rate_per_second: float, dry_run: bool
) -> int:
    """Send the letters that match back to the queue, evenly over time. Exit code 1 when an id is not there."""
    absent = await dead_letters.absent(queue, match)
    if dry_run:
        _say(f"{_letters(await dead_letters.count(queue, match, most=most))} would be redriven")
    else:
        _say(_outcome(await dead_letters.redrive(queue, match, most=most, rate_per_second=rate_per_second), "redriven"))
    return _exit_code(absent)


async def purge(queue: DeadLetters, match: LetterFilter, *, most: int | None, dry_run: bool, sure: bool) -> int:
    """Remove the letters that match for good. Without `sure` nothing is removed, and the exit code is 1.

    So it is when one named by id is not there.
    """
    absent = await dead_letters.absent(queue, match)
    if sure and not dry_run:
        _say(_outcome(await dead_letters.purge(queue, match, most=most), "purged"))
        return _exit_code(absent)
    counted = _letters(await dead_letters.count(queue, match, most=most))
    _say(f"{counted} would be purged" + ("" if dry_run else "; nothing is without --yes"))
    return max(_exit_code(absent), not dry_run)


def _exit_code(absent: Sequence[str]) -> int:
    """1, and a line for each, when ids were named that no matching letter has."""
    for id_ in absent:
        _say(f"there is no dead letter {id_} that matches")
    return 1 if absent else 0


def _outcome(result: dead_letters.MoveResult, done: str) -> str:
    gone = f"; {_letters(result.failed)} left before its turn" if result.failed else ""
    return f"{_letters(result.moved)} {done}{gone}"


def _letters(number: int) -> str:
    return f"{number} dead letter" if number == 1 else f"{number} dead letters"


def _print_json(objects: list[dict[str, object]]) -> None:
    print(json.dumps({"items": objects}, indent=2, ensure_ascii=False))  # noqa: T201


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    if not sys.stdout.isatty():
        print(text.plain_table(rows))  # noqa: T201
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*text.COLUMNS, box=None, header_style="bold", pad_edge=False)
    for cells in rows:
        table.add_row(*cells)
    Console().print(table)


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201
