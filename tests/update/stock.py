"""What stock Copier does with the same edits."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

from copier import Settings, run_update

from support.git import git

from .fates import Outcome
from .projects import File, Tree, read_tree


def update(project: Path, tag: str, data: dict[str, Any]) -> Outcome:
    """Update by Copier's own function; what it says of conflicts is all that it lists."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        run_update(
            project, data=data, vcs_ref=tag, defaults=True, overwrite=True, settings=Settings()
        )
    tree = read_tree(project)
    conflicts = unmerged(project) | with_markers(tree) | said_conflicts(said.getvalue())
    return Outcome(tree, conflicts)


def unmerged(project: Path) -> set[str]:
    names = git(project, "diff", "--name-only", "--diff-filter=U", "-z")
    return {name for name in names.split("\0") if name}


def with_markers(tree: Tree) -> frozenset[str]:
    """Files with conflict markers, and files whose hunks were rejected."""
    rejected = {path.removesuffix(".rej") for path in tree if path.endswith(".rej")}
    return frozenset(rejected | {path for path, file in tree.items() if _has_marker(file)})


def said_conflicts(said: str) -> set[str]:
    """The paths that Copier reported as a conflict."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    return set(re.findall(r"^ *conflict +(.+)$", plain, re.MULTILINE))


def _has_marker(file: File) -> bool:
    return re.search(rb"^(<{7}|>{7}) ", file.data, re.MULTILINE) is not None
