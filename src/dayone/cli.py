"""The command line: options in, exit codes out."""

import gc
import io
import json
import os
import sys
import traceback
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dayone import __version__
from dayone.errors import DayoneError, ProjectStaysError, UsageError
from dayone.evolve import Options as Evolve
from dayone.new import Options, new, run_demo
from dayone.project import forget_git_location
from dayone.screen import Screen
from dayone.table import Table

INTERRUPTED = 130

app = typer.Typer(
    name="dayone",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


class Task(StrEnum):
    """Kinds of prediction that a project can be told to make."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


NEW_EXAMPLES = """
Examples:

- `dayone new my-poc` asks the questions

- `dayone new my-poc --defaults --run` takes every default and runs the whole loop

- `dayone new churn -d owner="Retention team" -d serving=batch`

- `dayone new churn --defaults --table customers.csv --target churned --time signed_up`
"""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dayone {__version__}")
        raise typer.Exit


@app.callback(epilog="Example: `dayone new my-poc --defaults --run`")
def dayone(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Start an AI proof of concept as the production system it may become."""


@app.command("new", epilog=NEW_EXAMPLES)
def new_command(
    dest: Annotated[
        Path, typer.Argument(metavar="DEST", help="Folder of the new project; new, or empty.")
    ],
    template: Annotated[
        str | None,
        typer.Option(help="URL or folder of the template. Without it: the one dayone came with."),
    ] = None,
    vcs_ref: Annotated[
        str | None, typer.Option("--vcs-ref", "-r", help="Tag, branch or commit of the template.")
    ] = None,
    dev: Annotated[
        bool, typer.Option("--dev", help="Take a checkout with its uncommitted changes.")
    ] = False,
    defaults: Annotated[
        bool, typer.Option("--defaults", "-l", help="Ask nothing: defaults where --data is silent.")
    ] = False,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", metavar="NAME=VALUE", help="Answer a question; repeatable."),
    ] = None,
    data_file: Annotated[
        Path | None, typer.Option("--data-file", help="YAML file of answers; --data goes first.")
    ] = None,
    hooks: Annotated[
        bool | None,
        typer.Option(
            "--hooks/--no-hooks",
            help="Start git, lock packages, commit, install git hooks. Without either: asks.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Your own table, .csv or .parquet, in place of the sample.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column of the table to predict.")] = None,
    time: Annotated[
        str | None, typer.Option(help="Column that says when a row was known; splits by time.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column that identifies a row; never a feature.")
    ] = None,
    task: Annotated[
        Task | None, typer.Option(help="Kind of prediction. Without it: seen from the target.")
    ] = None,
    run: Annotated[
        bool, typer.Option("--run", help="Run the whole loop afterwards: `nox -s demo`.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Report as one JSON object on stdout.")
    ] = False,
) -> None:
    """Start a project: questions, rendering, git and locked packages."""
    screen = Screen(json=as_json)
    options = Options(
        dest=dest,
        template=template,
        vcs_ref=vcs_ref,
        dev=dev,
        defaults=defaults,
        data=data or [],
        data_file=data_file,
        hooks=hooks,
        table=own_table(table, target, time=time, id=id_column, task=task),
        run=run,
    )
    created = new(options, screen)
    if as_json:
        typer.echo(json.dumps(asdict(created), ensure_ascii=False, indent=2))
    if run:
        raise typer.Exit(run_demo(Path(created.dest), to_stderr=as_json))


ProjectArgument = Annotated[
    Path, typer.Argument(metavar="PROJECT", help="Folder of the project.", show_default="here")
]
TemplateOption = Annotated[
    str | None, typer.Option(help="URL or folder that the template has moved to.")
]
VersionOption = Annotated[
    str | None,
    typer.Option(
        "--vcs-ref",
        "-r",
        help="Tag, branch or commit to go to; `:current:` stays. Without it: the newest release.",
    ),
]
DataOption = Annotated[
    list[str] | None,
    typer.Option("--data", "-d", metavar="NAME=VALUE", help="Change an answer; repeatable."),
]
DataFileOption = Annotated[
    Path | None, typer.Option("--data-file", help="YAML file of answers; --data goes first.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Report as one JSON object on stdout.")]

PLAN_EXAMPLES = """
Examples:

- `dayone plan` shows what an update to the newest release would do

- `dayone plan --diff -r v1.3.0` shows it as a patch, to that release

- `dayone plan -d serving=batch -r :current:` shows what another answer would do

- `dayone plan --markdown` writes it for a pull request
"""


@app.command("plan", epilog=PLAN_EXAMPLES)
def plan_command(
    project: ProjectArgument = Path(),
    template: TemplateOption = None,
    vcs_ref: VersionOption = None,
    data: DataOption = None,
    data_file: DataFileOption = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show the changes as a patch.")] = False,
    as_json: JsonOption = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Show it as Markdown, as the text of a change.")
    ] = False,
) -> None:
    """Show what an update or another answer would do to the project; touches nothing."""
    from dayone.plan import plan

    if as_json and markdown:
        raise UsageError("--json or --markdown: name one.")

    options = Evolve(
        project=project,
        template=template,
        vcs_ref=vcs_ref,
        data=data or [],
        data_file=data_file,
    )
    screen = Screen(json=as_json or markdown)
    plan(options, screen, diff=diff, as_json=as_json, markdown=markdown)


UPDATE_EXAMPLES = """
Examples:

- `dayone update` goes to the newest release, asking only what is new

- `dayone update --defaults` asks nothing

- `dayone update -d serving=batch -r :current:` changes an answer and stays at the version

- `dayone update --template https://example.com/moved/dayone` when the template has moved

Ends with 0 when it is done or there is nothing to do, 3 when edits are in conflict or the
project's checks fail.
"""


@app.command("update", epilog=UPDATE_EXAMPLES)
def update_command(
    project: ProjectArgument = Path(),
    template: TemplateOption = None,
    vcs_ref: VersionOption = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", "-l", help="Take the defaults of new questions.")
    ] = False,
    data: DataOption = None,
    data_file: DataFileOption = None,
    hooks: Annotated[
        bool | None,
        typer.Option(
            "--hooks/--no-hooks",
            help="Run migrations, lock packages, check the project. Without either: asks.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the project to another version or answer, in one commit, or change nothing."""
    from dayone.update import update

    options = Evolve(
        project=project,
        template=template,
        vcs_ref=vcs_ref,
        defaults=defaults,
        data=data or [],
        data_file=data_file,
        hooks=hooks,
    )
    updated = update(options, Screen(json=as_json))
    if as_json:
        report = asdict(updated)
        typer.echo(json.dumps({**report.pop("plan"), **report}, ensure_ascii=False, indent=2))
    raise typer.Exit(updated.exit_code)


DRIFT_EXAMPLES = """
Examples:

- `dayone drift` compares the project with what its version of the template made

- `dayone drift --fix` restores the files of owner template, for you to look at and commit

- `dayone drift --json | jq .findings` lists them for a script

Files that are shared or yours are counted, and never a finding. What is meant to differ stands in
`dayone.toml`, with a reason and a last day. Ends with 0 when nothing has drifted or all of it was
restored, 3 when files of the template are changed, deleted or missing.
"""


@app.command("drift", epilog=DRIFT_EXAMPLES)
def drift_command(
    project: ProjectArgument = Path(),
    fix: Annotated[
        bool, typer.Option("--fix", help="Restore what has drifted; edits must be committed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which files of the template the project has changed, deleted or never had."""
    from dayone import drift

    screen = Screen(json=as_json)
    found = drift.drift(project, screen, fix=fix)
    if as_json:
        typer.echo(drift.as_json(found))
    else:
        drift.show(found, project, screen, fix=fix)
    raise typer.Exit(found.exit_code)


CHECK_UPDATE_EXAMPLES = """
Examples:

- `dayone check-update` asks the template's repository for its tags, and fetches nothing else

- `dayone check-update --json` tells a script the version that is recorded and the newest

Ends with 0 when the project is up to date, 3 when a newer release is out, 1 when the template
cannot be reached. Copier's own `copier check-update` ends with 0 in either case, or, with
`--quiet`, with 2 when a newer version is out. Pre-releases do not count; a template without
releases is followed commit by commit.
"""


@app.command("check-update", epilog=CHECK_UPDATE_EXAMPLES)
def check_update_command(project: ProjectArgument = Path(), as_json: JsonOption = False) -> None:
    """Tell whether the template has a newer release than the project."""
    from dayone import check_update

    screen = Screen(json=as_json)
    check = check_update.check_update(project, screen)
    if as_json:
        typer.echo(check_update.as_json(check))
    else:
        check_update.show(check, project, screen)
    raise typer.Exit(check.exit_code)


def own_table(path: Path | None, target: str | None, **roles: str | None) -> Table | None:
    if path is None:
        if target or any(roles.values()):
            raise UsageError("--target, --time, --id and --task describe a --table; name one.")
        return None
    if target is None:
        raise UsageError(f"--table {path} needs --target, the column to predict.")
    return Table(path, target, **roles)


def main() -> None:
    """Run the command; whatever goes wrong ends in one message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may be in any encoding
            stream.reconfigure(errors="backslashreplace")
    gc.disable()  # a command ends before collecting would pay; a tenth of its time and more
    forget_git_location()
    screen = Screen()
    try:
        app()
    except ProjectStaysError as error:
        screen.error(str(error))
        screen.err.print(f"The project is in {error.dest}. To finish it, run there:", markup=False)
        for command in error.commands:
            screen.err.print(f"  {command}", markup=False)
        sys.exit(error.exit_code)
    except DayoneError as error:
        screen.error(str(error))
        sys.exit(error.exit_code)
    except SystemExit as error:
        if error.code == INTERRUPTED:  # Typer makes this of a KeyboardInterrupt
            screen.err.print("Interrupted.")
        raise
    except OSError as error:
        screen.error(
            f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        )
        sys.exit(1)
    except Exception as error:
        if os.environ.get("DAYONE_TRACEBACK"):
            traceback.print_exc()
        screen.error(
            f"this is a bug in dayone ({type(error).__name__}: {error}). "
            "DAYONE_TRACEBACK=1 shows where; please report it."
        )
        sys.exit(1)
