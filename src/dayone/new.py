"""`dayone new`: a project from the template, from the questions to the first commit."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dayone import answers, hooks
from dayone.errors import DayoneError, ProjectStaysError, RefusedError, UsageError
from dayone.project import (
    environment,
    files_below,
    find_uv,
    read_answers,
    require_git,
    typed_uv,
    work_tree,
)
from dayone.render import render
from dayone.screen import Screen
from dayone.table import Table, check_table
from dayone.template import Template, open_template

AFTER_COPY = "hooks/after_copy.py"


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    dest: Path
    template: str | None = None
    vcs_ref: str | None = None
    dev: bool = False
    defaults: bool = False
    data: list[str] = field(default_factory=list)
    data_file: Path | None = None
    hooks: bool | None = None
    table: Table | None = None
    run: bool = False


@dataclass(frozen=True)
class Created:
    """What is reported about the new project."""

    dest: str
    answers: dict[str, Any]
    template: str
    commit: str
    files: list[str]
    hooks: bool
    warnings: list[str]


def new(options: Options, screen: Screen) -> Created:
    """Ask, render aside, show, move into place, run the hook."""
    require_git()
    if options.hooks is False and (options.table or options.run):
        raise UsageError("--table and --run run the project's own code; leave out --no-hooks.")
    dest = free_destination(options.dest)
    if options.table:
        with screen.working(f"Reading {options.table.path}"):
            check_table(options.table)
    with ExitStack() as stack:
        with screen.working("Reading the template"):
            opened = open_template(options.template, options.vcs_ref, dev=options.dev)
            template = stack.enter_context(opened)
        return _create(options, dest, template, screen)


def _create(options: Options, dest: Path, template: Template, screen: Screen) -> Created:
    data = answers.collect(options.data, options.data_file, template)
    outer = work_tree(_existing_part(dest))
    warnings = [*template.warnings, *_nesting_warning(dest, outer)]
    hook = template.read(AFTER_COPY)
    existed = dest.exists()
    with staged(dest) as stage:
        with screen.working("Rendering") if options.defaults else ExitStack():
            render(template, stage, data, defaults=options.defaults)
        remembered = read_answers(stage)
        created = Created(
            dest=str(dest),
            answers={name: remembered[name] for name in template.questions() if name in remembered},
            template=template.recorded,
            commit=remembered["_commit"],
            files=files_below(stage),
            hooks=False,
            warnings=warnings,
        )
        if options.defaults and "project_name" not in data and _renamed(created):
            warnings.append(
                f"{dest.name} cannot be a project's name, so it is called "
                f"{created.answers['project_name']}; -d project_name=… names it."
            )
        screen.summary(created.dest, created.answers, created.files, _own_table(options))
        for warning in warnings:
            screen.warn(warning)
        consent = hook is not None and _has_consent(options, screen)
        move_into_place(stage, dest)
    if hook is None or not consent:
        if options.table or options.run:
            raise ProjectStaysError(
                "The project's own code was not run, as --table and --run need.",
                by_hand(options, dest, repository=outer is None),
                dest,
            )
        screen.next_steps([_enter(options), *by_hand(options, dest, repository=outer is None)])
        return created
    settings = hook_settings(options, dest, created, repository=outer is None)
    try:
        with undone_when_refused(dest, existed), screen.steps() as report:
            hooks.run_hook(hook, dest, settings, report)
    except ProjectStaysError as error:
        error.commands.append(f"{typed_uv()} run nox -s demo")
        raise
    if not options.run:
        screen.next_steps([_enter(options), f"{typed_uv()} run nox -s demo"])
    return replace(created, hooks=True)


def run_demo(project: Path, *, to_stderr: bool) -> int:
    """Run the project's whole loop, its output passed through."""
    command = [find_uv(), "run", "nox", "-s", "demo"]
    output = sys.stderr if to_stderr else None
    return subprocess.run(
        command, cwd=project, env=environment(), stdout=output, check=False
    ).returncode


def free_destination(path: Path) -> Path:
    """The absolute path of a folder that is not there yet, or empty, and can be written."""
    dest = Path(os.path.abspath(path))  # noqa: PTH100, a link at the end is for people to keep
    if dest.is_dir():
        if any(dest.iterdir()):
            raise DayoneError(f"{dest} exists and is not empty. Name a new folder.")
    elif os.path.lexists(dest):
        raise DayoneError(f"{dest} is a file, not a folder. Name a new folder.")
    part = _existing_part(dest)
    if not part.is_dir():
        raise DayoneError(f"{dest} cannot be made: {part} is a file, not a folder.")
    if not os.access(part, os.W_OK | os.X_OK):
        raise DayoneError(f"{dest} cannot be made: you may not write in {part}.")
    return dest


@contextmanager
def staged(dest: Path) -> Iterator[Path]:
    """A folder to render in, named like the project and on the same disk; gone afterwards."""
    part = _existing_part(dest)
    try:
        folder = tempfile.mkdtemp(prefix=".dayone-", dir=part)
    except OSError as error:
        raise DayoneError(f"{dest} cannot be made: {part}: {error.strerror}.") from error
    try:
        yield Path(folder, dest.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_into_place(stage: Path, dest: Path) -> None:
    """Make the rendered folder the project, at once where DEST is new."""
    if dest.is_dir():
        for child in stage.iterdir():
            shutil.move(child, dest / child.name)
    else:
        dest.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(stage, dest)


@contextmanager
def undone_when_refused(dest: Path, existed: bool) -> Iterator[None]:
    """Remove what was made when the own table is refused or somebody interrupts."""
    try:
        yield
    except (RefusedError, KeyboardInterrupt):
        with suppress(FileNotFoundError):
            for child in list(dest.iterdir()) if existed else [dest]:
                shutil.rmtree(child) if child.is_dir() else child.unlink()
        raise


def hook_settings(
    options: Options, dest: Path, created: Created, *, repository: bool
) -> dict[str, Any]:
    """What the after_copy hook reads."""
    return {
        "uv": find_uv(),
        "typed_uv": typed_uv(),
        "message": f"Start {created.answers['project_name']}",
        "repository": repository,
        "table": use_data(options, dest),
    }


def use_data(options: Options, project: Path) -> list[str] | None:
    """The project's own command that brings the table in; it is named like the project."""
    if options.table is None:
        return None
    pyproject = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    return [pyproject["project"]["name"], "use-data", *options.table.arguments()]


def by_hand(options: Options, project: Path, *, repository: bool) -> list[str]:
    """What a person types in the project to get what the hook would have done."""
    uv = typed_uv()
    own = use_data(options, project)
    return [
        *(["git init -b main"] if repository else []),
        f"{uv} lock",
        *([f"{uv} run {shlex.join(own)}"] if own else []),
        *(['git add -A && git commit -m "Start"'] if repository else []),
        *([f"{uv} run pre-commit install"] if repository else []),
        f"{uv} run nox -s demo",
    ]


def _enter(options: Options) -> str:
    return f"cd {shlex.quote(str(options.dest))}"


def _existing_part(dest: Path) -> Path:
    return next(path for path in (dest, *dest.parents) if path.exists())


def _nesting_warning(dest: Path, outer: Path | None) -> list[str]:
    if outer is None:
        return []
    return [
        f"{dest} lies in the git repository {outer}: it gets no repository of its own, "
        "no forge reads its pipelines there, and what to commit is left to you."
    ]


def _renamed(created: Created) -> bool:
    """Whether the default of the project's name is not the folder's."""
    name = created.answers.get("project_name")
    return name is not None and name != Path(created.dest).name


def _own_table(options: Options) -> str | None:
    return f"{options.table.path}, target {options.table.target}" if options.table else None


def _has_consent(options: Options, screen: Screen) -> bool:
    if options.hooks is not None:
        return options.hooks
    if options.defaults:
        return True
    return sys.stdin.isatty() and screen.confirm(
        "Start a git repository, lock the packages, make the first commit, install git hooks?"
    )
