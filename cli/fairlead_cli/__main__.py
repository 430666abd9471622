"""The commands and their options; every command is carried out elsewhere, and imported when it is chosen.

Importing is most of the start-up time of `fairlead run`, so nothing heavy is imported here.
"""

from typing import Annotated, Literal

import typer

from fairlead_cli.dlq import commands
from fairlead_cli.options import (
    ConnectTo,
    DataDir,
    Files,
    Recursive,
    SecretFolders,
    read_addresses,
    read_secrets,
    read_services,
)

app = typer.Typer(
    name="fairlead",
    help="Run, check and look after ApiServices.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(commands.app, name="dlq")

Port = Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="Port of the API; 0: any free one.")]
AdminPort = Annotated[
    int, typer.Option(min=0, max=65535, metavar="PORT", help="Port of /health, /ready and /metrics; 0: any free one.")
]


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"fairlead {version('fairlead')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


@app.command()
def run(
    files: Files,
    recursive: Recursive = False,
    port: Port = 8080,
    admin_port: AdminPort = 9090,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    data_dir: DataDir = None,
    service: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=URL", help="Where a service is that handlers call. May be repeated."),
    ] = None,
    bindings: Annotated[
        Literal["embedded", "declared"],
        typer.Option(help="What to run on: inside this process, or what the resource declares."),
    ] = "embedded",
    role: Annotated[Literal["api", "worker", "all"], typer.Option(help="What this process does.")] = "all",
    secret: SecretFolders = None,
    connect_to: ConnectTo = None,
    log_format: Annotated[Literal["console", "json"], typer.Option(help="How log lines look.")] = "console",
) -> None:
    """Serve ApiServices on this machine.

    API and worker run in one process, on an embedded datastore, cache and queue, whatever the resource binds. With
    --bindings declared they run on what it binds, and bring it to the resource first, as the provision Job does on a
    cluster. Several ApiServices take consecutive ports. Ctrl-C finishes what is under way and exits; a second one exits
    at once.
    """
    from fairlead_cli.run import checks

    services = read_services(service)
    chosen = checks.Chosen(declared=bindings == "declared", role=role, services=frozenset(services))
    secrets, addresses = read_secrets(secret), read_addresses(connect_to)
    admitted = checks.admit(files, recursive=recursive, chosen=chosen)
    if admitted is None:
        raise typer.Exit(1)
    from fairlead_cli.run import serving

    options = serving.Options(
        host=host,
        port=port,
        admin_port=admin_port,
        data_dir=data_dir,
        services=services,
        log_format=log_format,
        declared=bindings == "declared",
        role=role,
        secrets=secrets,
        addresses=addresses,
    )
    raise typer.Exit(serving.serve(serving.local_services(admitted, options), options))


@app.command()
def lint(
    files: Files,
    recursive: Recursive = False,
    output: Annotated[Literal["text", "json"], typer.Option(help="How findings are printed.")] = "text",
) -> None:
    """Check resources, without a cluster.

    Finds what the API server would refuse, what would not work, and what is not served yet. Errors exit 1; warnings are
    printed and exit 0. A folder means the .yaml, .yml and .json files directly in it.
    """
    from fairlead_cli import linting

    raise typer.Exit(linting.lint(files, recursive=recursive, output=output))


@app.command()
def schema(
    kind: Annotated[
        Literal["ApiService", "ApiServiceClass", "DeadLetterRedrive"] | None,
        typer.Option(help="Only this kind. Default: all of them."),
    ] = None,
) -> None:
    """Print a JSON Schema of the resources, for editors.

    It is draft-07, which the YAML language server reads: completion, descriptions, and marks at unknown fields and at
    values that do not fit. It has the shape of a resource; `lint` checks the rules too.
    """
    from fairlead_cli import editors

    raise typer.Exit(editors.schema(kind))


@app.command()
def render(
    files: Files,
    recursive: Recursive = False,
    class_file: Annotated[
        str | None, typer.Option("--class", metavar="FILE", help="ApiServiceClass to use. Default: the built-in one.")
    ] = None,
    capabilities: Annotated[
        str,
        typer.Option(metavar="LIST", help="What the cluster has, of prometheus, keda, gateway and cert-manager."),
    ] = "prometheus",
    image: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Workload image where neither resource nor class names one.")
    ] = None,
) -> None:
    """Print the objects that the operator makes of ApiServices, without a cluster.

    They come in the order of applying. What the cluster lacks, and what is used instead, is reported on standard error.
    """
    from importlib.metadata import version

    from fairlead_cli import rendering

    try:
        present = rendering.capabilities(capabilities)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--capabilities") from None
    used = image or f"fairlead-workload:{version('fairlead')}"
    raise typer.Exit(
        rendering.render(files, recursive=recursive, class_file=class_file, capabilities=present, image=used)
    )


@app.command()
def plan(
    files: Files,
    recursive: Recursive = False,
    class_file: Annotated[
        str | None,
        typer.Option("--class", metavar="FILE", help="ApiServiceClass to use. Default: the one that the cluster has."),
    ] = None,
    capabilities: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="What to plan for, of prometheus, keda, gateway and cert-manager. Default: what the cluster has.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="Workload image that the operator uses. Default: the one that runs."),
    ] = None,
    context: Annotated[
        str | None, typer.Option(metavar="NAME", help="Context of the kubeconfig. Default: the current one.")
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", metavar="NAME", help="Namespace of resources that name none."),
    ] = None,
    kubeconfig: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Kubeconfig. Default: the files of KUBECONFIG, else ~/.kube/config."),
    ] = None,
    output: Annotated[Literal["text", "json"], typer.Option(help="How the plan is printed.")] = "text",
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 3 when something would change.")] = False,
) -> None:
    """Show what would change on a cluster if ApiServices were applied, and write nothing.

    The API server answers by dry run, admission included. + is created, ~ changed, - deleted; ! is refused, or in the
    way. Exits 0, or 1 when something is refused or the cluster cannot be reached; 2 is for wrong usage; with
    --exit-code, 3 when something would change. A dry run needs the right to write the objects.
    """
    from importlib.metadata import version

    from fairlead_cli import rendering
    from fairlead_cli.plan import command

    try:
        present = None if capabilities is None else rendering.capabilities(capabilities)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--capabilities") from None
    options = command.Options(
        sources=files,
        recursive=recursive,
        class_file=class_file,
        capabilities=present,
        image=image,
        usual_image=f"fairlead-workload:{version('fairlead')}",
        context=context,
        namespace=namespace,
        kubeconfig=kubeconfig,
        output=output,
        tell_changes=exit_code,
    )
    raise typer.Exit(command.plan(options))


def main() -> None:
    """The `fairlead` command."""
    app(prog_name="fairlead")


if __name__ == "__main__":
    main()
