"""The commands of `fairlead dlq` and their options."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fairlead_cli.options import DataDir, Files, Recursive, read_instant

if TYPE_CHECKING:
    from fairlead_workload.queues.base import LetterFilter

app = typer.Typer(
    help="Look after dead letters: events that could not be handled.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[
    str | None, typer.Option(metavar="NAME", help="Which ApiService, when there are several: NAME or NAMESPACE/NAME.")
]
EventType = Annotated[
    str | None, typer.Option(metavar="TYPE", help="Only events of this type, such as orders.created.")
]
ErrorCode = Annotated[str | None, typer.Option(metavar="CODE", help="Only this error code, such as http-402.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Last failed at or after: a date-time, or 90m ago.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Last failed before: a date-time, or 90m ago.")]
Key = Annotated[
    str | None, typer.Option(metavar="KEY", help="Only events of this document: RESOURCE/KEY, as listed or plain.")
]
Ids = Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="Only this dead letter. May be repeated.")]
Output = Annotated[Literal["table", "json"], typer.Option(help="How dead letters are printed.")]
Max = Annotated[int | None, typer.Option("--max", min=1, metavar="N", help="At most this many. Default: all.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")]


@app.command("list")
def list_(
    files: Files,
    recursive: Recursive = False,
    name: Name = None,
    data_dir: DataDir = None,
    event_type: EventType = None,
    error_code: ErrorCode = None,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    ids: Ids = None,
    most: Annotated[int, typer.Option("--max", min=1, metavar="N", help="At most this many.")] = 100,
    output: Output = "table",
) -> None:
    """List dead letters, oldest failure first."""
    match = _match(event_type, error_code, since, until, key, ids)
    from fairlead_cli.dlq import dead_letters

    target = dead_letters.Target(files, recursive, name, data_dir)
    raise typer.Exit(
        dead_letters.carry_out(
            target, lambda q, hidden: dead_letters.show_list(q, match, hidden, most=most, output=output)
        )
    )


@app.command()
def show(
    files: Files,
    ids: Annotated[list[str], typer.Option("--id", metavar="ID", help="The dead letter. May be repeated.")],
    recursive: Recursive = False,
    name: Name = None,
    data_dir: DataDir = None,
    output: Output = "table",
) -> None:
    """Show dead letters in full: why, when, and the event itself."""
    match = _match(None, None, None, None, None, ids)
    from fairlead_cli.dlq import dead_letters

    target = dead_letters.Target(files, recursive, name, data_dir)
    raise typer.Exit(
        dead_letters.carry_out(target, lambda q, hidden: dead_letters.show_in_full(q, match, hidden, output=output))
    )


@app.command()
def redrive(
    files: Files,
    recursive: Recursive = False,
    name: Name = None,
    data_dir: DataDir = None,
    event_type: EventType = None,
    error_code: ErrorCode = None,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    ids: Ids = None,
    most: Max = None,
    rate: Annotated[float, typer.Option(min=0.01, max=1000, metavar="N", help="At most this many per second.")] = 10,
    dry_run: DryRun = False,
) -> None:
    """Send dead letters back to the queue, to be handled again."""
    match = _match(event_type, error_code, since, until, key, ids)
    from fairlead_cli.dlq import dead_letters

    target = dead_letters.Target(files, recursive, name, data_dir)
    raise typer.Exit(
        dead_letters.carry_out(
            target, lambda q, _: dead_letters.redrive(q, match, most=most, rate_per_second=rate, dry_run=dry_run)
        )
    )


@app.command()
def purge(
    files: Files,
    recursive: Recursive = False,
    name: Name = None,
    data_dir: DataDir = None,
    event_type: EventType = None,
    error_code: ErrorCode = None,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    ids: Ids = None,
    most: Max = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Really remove them, for good.")] = False,
) -> None:
    """Remove dead letters for good."""
    match = _match(event_type, error_code, since, until, key, ids)
    from fairlead_cli.dlq import dead_letters

    target = dead_letters.Target(files, recursive, name, data_dir)
    raise typer.Exit(
        dead_letters.carry_out(target, lambda q, _: dead_letters.purge(q, match, most=most, dry_run=dry_run, sure=yes))
    )


def _match(
    event_type: str | None,
    error_code: str | None,
    since: str | None,
    until: str | None,
    key: str | None,
    ids: list[str] | None,
) -> "LetterFilter":
    from fairlead_workload.queues.base import LetterFilter
    from fairlead_workload.worker.failures.dlq import spellings

    return LetterFilter(
        event_type=event_type,
        error_code=error_code,
        since=read_instant(since, option="--since"),
        until=read_instant(until, option="--until"),
        keys=None if key is None else spellings(key),
        ids=tuple(ids) if ids else None,
    )
