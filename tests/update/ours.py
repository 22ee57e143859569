"""What `dayone update` does with the same edits."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from support.cli import dayone
from support.git import git

from .fates import Outcome
from .projects import read_commit

DONE, FINDINGS = 0, 3


class Report(NamedTuple):
    """How the command ended and what it said."""

    code: int
    said: dict[str, Any]


def update(project: Path, tag: str, data: Mapping[str, Any] | None = None) -> Report:
    answers = [f"--data={name}={_typed(value)}" for name, value in (data or {}).items()]
    result = dayone(
        "update", project, "--vcs-ref", tag, "--defaults", "--no-hooks", "--json", *answers
    )
    assert result.code in (DONE, FINDINGS), result.err
    return Report(result.code, json.loads(result.out))


def _typed(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def outcome(project: Path, report: Report) -> Outcome:
    """The files of the project, or of the branch that is left where there is a conflict."""
    said = report.said
    tree = read_commit(project, said["branch"] or "HEAD")
    conflicts = frozenset(one["path"] for one in said["conflicts"])
    named = frozenset(one["path"] for one in said["at_risk"])
    return Outcome(tree, conflicts, conflicts | named)


def state(project: Path) -> tuple[str, ...]:
    """The branch, its commit and whether anything differs from it."""
    return (
        git(project, "rev-parse", "--abbrev-ref", "HEAD"),
        git(project, "rev-parse", "HEAD"),
        git(project, "status", "--porcelain", "--ignored"),
    )
