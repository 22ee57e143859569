"""Makes a rendered folder a working repository: git, locked packages, first commit, git hooks.

`dayone new` runs it after consent, as `python -I after_copy.py PROJECT`, with its settings as JSON
on standard input. It reports one JSON object a line on standard output, and needs nothing but the
standard library.

Settings: `uv` (its path), `typed_uv` (how a person calls it), `message` (of the first commit),
`repository` (start one here) and `table` (the project's command that brings an own table, or null).
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

GIT_HOOKS = ["run", "--quiet", "--only-group", "dev", "pre-commit", "install"]


class Step(NamedTuple):
    """One thing to do: how it is announced, what does it, and what a person would type instead."""

    text: str
    run: Callable[[Path, dict[str, Any]], None]
    command: str


class StepError(Exception):
    """A step failed; the project stays, and the rest can be typed by hand."""


def main() -> int:
    project = Path(sys.argv[1])
    settings = json.load(sys.stdin)
    steps = plan(project, settings)
    for number, step in enumerate(steps):
        report("doing", step.text)
        try:
            step.run(project, settings)
        except StepError as error:
            commands = [rest.command for rest in steps[number:]]
            report("failed", f"{step.text} failed: {error}", commands=commands)
            return 1
    return 0


def plan(project: Path, settings: dict[str, Any]) -> list[Step]:
    """The steps that these settings ask for; packages are locked before the first commit."""
    uv = settings["typed_uv"]
    steps = [Step("Locking packages", lock, f"{uv} lock")]
    if settings["table"]:
        typed = f"{uv} run {shlex.join(settings['table'])}"
        steps.append(Step("Bringing in your table", bring_table, typed))
    if settings["repository"]:
        steps.insert(0, Step("Starting a git repository", start_repository, "git init -b main"))
        typed = f"git add -A && git commit -m {shlex.quote(settings['message'])}"
        steps.append(Step("Making the first commit", commit, typed))
        if (project / ".pre-commit-config.yaml").exists():
            typed = f"{uv} {shlex.join(GIT_HOOKS)}"
            steps.append(Step("Installing git hooks", install_git_hooks, typed))
    return steps


def start_repository(project: Path, settings: dict[str, Any]) -> None:
    run(["git", "init", "--quiet", "-b", "main"], project)


def lock(project: Path, settings: dict[str, Any]) -> None:
    run([settings["uv"], "lock", "--quiet"], project)


def bring_table(project: Path, settings: dict[str, Any]) -> None:
    """Install first, so that a failure of the command itself is about the table."""
    run([settings["uv"], "sync", "--quiet"], project)
    result = start([settings["uv"], "run", "--quiet", "--no-sync", *settings["table"]], project)
    if result.returncode:
        reason = result.stderr.strip() or result.stdout.strip()
        refuse(reason.removeprefix("Error: "), result.returncode)
    report("note", result.stdout.strip())


def commit(project: Path, settings: dict[str, Any]) -> None:
    who: list[str] = []
    if not has_identity(project):
        who = ["-c", "user.name=dayone", "-c", "user.email=dayone@localhost"]
        report("note", "git knows no name and e-mail for you: the first commit is by dayone.")
    run(["git", "add", "--all"], project)
    run(["git", *who, "commit", "--quiet", "-m", settings["message"]], project)


def install_git_hooks(project: Path, settings: dict[str, Any]) -> None:
    run([settings["uv"], *GIT_HOOKS], project)


def has_identity(project: Path) -> bool:
    """Whether git was told who commits; a guess from the machine's name does not count."""
    roles = ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT")
    return all(
        start(["git", "-c", "user.useConfigOnly=true", "var", role], project).returncode == 0
        for role in roles
    )


def run(command: list[str], project: Path) -> None:
    result = start(command, project)
    if result.returncode:
        raise StepError(result.stderr.strip() or f"exit code {result.returncode}")


def start(command: list[str], project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def refuse(text: str, code: int) -> NoReturn:
    report("refused", text, code=code)
    sys.exit(code)


def report(event: str, text: str, **more: Any) -> None:
    print(json.dumps({"event": event, "text": text, **more}), flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
