"""Drift of a project, by the command line, and what a test compares before and after."""

import datetime
import json
from pathlib import Path
from typing import Any

from dayone.drift import drift as find_drift
from dayone.screen import Screen
from support.cli import Result, dayone
from support.git import git

FILES = {
    "noxfile.py": "first\nsecond\n",
    "tools/check.sh": "#!/bin/sh\n",
    "tools/prüfung.py": "geprüft\n",
    "docs/guide.md": "# Guide\n",
    "docs/charter.md": "# Charter\n",
    "params.yaml": "rounds: 1\n",
}
TODAY = datetime.date.today()
YESTERDAY = TODAY - datetime.timedelta(days=1)


def drift(project: Path, *arguments: str | Path, code: int = 0) -> Result:
    result = dayone("drift", project, *arguments)
    assert result.code == code, result
    return result


def refused(project: Path, *arguments: str, code: int = 1) -> str:
    """The one message of a drift that changes nothing."""
    before = state(project)
    result = drift(project, *arguments, code=code)
    assert state(project) == before
    assert result.err.count("Error: ") == 1
    return result.err.partition("Error: ")[2]


def state(project: Path) -> dict[str, Any]:
    """Each file's mode and content, and what git has staged and committed."""
    files = {
        path.relative_to(project).as_posix(): (path.lstat().st_mode, path.read_bytes())
        for path in sorted(project.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(project).parts
    }
    return {"files": files, "staged": git(project, "ls-files", "--stage"), "head": head(project)}


def head(project: Path) -> str:
    return git(project, "rev-parse", "HEAD")


def report(project: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    return dict(json.loads(drift(project, *arguments, "--json", code=code).out))


def states(project: Path, code: int) -> dict[str, str]:
    """The files that are not as the template made them."""
    found = find_drift(project, Screen(json=True))
    assert found.exit_code == code
    return {file.path: file.state for file in found.files if file.state != "same"}


def keep(
    project: Path, path: str, until: datetime.date = TODAY, reason: str = "Ours is faster."
) -> None:
    with (project / "dayone.toml").open("a", encoding="utf-8") as file:
        file.write(f'[[keep]]\npath = "{path}"\nreason = "{reason}"\nuntil = {until}\n')
