"""Migrations: what an update runs on a project where a major version asks for more than a merge.

A migration is a file `hooks/migrations/VERSION_NAME.py` of the template, for example
`2.0.0_rename_split_key.py`. It runs as `python -I FILE PROJECT` once the new version is merged in,
with JSON on standard input: `from` and `to` (versions) and `answers`. It needs nothing but the
standard library, does nothing where its work is done already, and reports as `hooks/after_copy.py`
does.

A project's record of what it has behind it is the answer `migrated`, which is stored and never
asked: a fresh copy has all names, and neither `copier update` nor a rendering adds one.

    for migration in migrations.pending(template, folder):
        migrations.run(migration, folder, settings, report)
        migrations.record(folder, migration)
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from dayone.errors import DayoneError, ProjectStaysError, RefusedError
from dayone.hooks import Event, run_hook
from dayone.project import ANSWERS_FILE, git, read_answers
from dayone.template import Template

FOLDER = "hooks/migrations"
RECORD = "migrated"
_NAME = re.compile(r"(\d+)\.(\d+)\.(\d+)_\w+")


@dataclass(frozen=True)
class Migration:
    """One step, named after the version that asks for it."""

    name: str
    code: str


def pending(template: Template, project: Path) -> list[Migration]:
    """What this version of the template rests on and the project has not run, in order."""
    done = _recorded(project)
    return [
        Migration(name, template.read(f"{FOLDER}/{name}.py") or "")
        for name in _names(template)
        if name not in done
    ]


def run(
    migration: Migration, project: Path, settings: dict[str, Any], report: Callable[[Event], None]
) -> None:
    """Run a migration on a project's files; whatever goes wrong is one error."""
    try:
        run_hook(migration.code, project, settings, report, name=f"migration {migration.name}")
    except (ProjectStaysError, RefusedError) as error:
        raise DayoneError(f"The template's migration {migration.name} failed: {error}") from error


def record(project: Path, migration: Migration) -> None:
    """Note in the answers file that a migration ran, as a fresh copy would have it."""
    path = project / ANSWERS_FILE
    text = path.read_bytes().decode()
    end = "\r\n" if "\r\n" in text else "\n"
    names = sorted({*_recorded(project), migration.name}, key=_order)
    lines = yaml.safe_dump({RECORD: names}).replace("\n", end)
    changed, found = re.subn(rf"(?m)^{RECORD}:.*\n(?:[ \t-].*\n)*", lambda _: lines, text)
    path.write_bytes((changed if found else text + lines).encode())


def _names(template: Template) -> list[str]:
    listed = git("ls-tree", "--name-only", template.commit, f"{FOLDER}/", cwd=template.repository)
    files = [PurePosixPath(file) for file in listed.splitlines()]
    for file in files:
        if not (file.suffix == ".py" and _NAME.fullmatch(file.stem)):
            raise DayoneError(
                f"The template {template.recorded} has {file}, which names no version."
            )
    return sorted([file.stem for file in files], key=_order)


def _recorded(project: Path) -> list[str]:
    """The names in the answers file; a project that has no record has run nothing."""
    names = read_answers(project).get(RECORD, [])
    if not isinstance(names, list) or not all(_NAME.fullmatch(str(name)) for name in names):
        raise DayoneError(
            f"{project / ANSWERS_FILE} was edited by hand: {RECORD} must be a list of migrations."
        )
    return names


def _order(name: str) -> tuple[list[int], str]:
    version, _, what = name.partition("_")
    return [int(number) for number in version.split(".")], what
