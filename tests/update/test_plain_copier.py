"""Plain Copier, as its own users and Renovate call it, updates from every version to the newest.

It may lose edits where people and template meet; on projects that were left as rendered, or edited
in what is theirs, it must do what `dayone update` does.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from support.git import commit_all, git

from . import chain, stock
from .cases import ANSWERS, Record, between
from .edits import KINDS
from .projects import ANSWERS_FILE, Templates, read_tree, recorded_answers

NEWEST = chain.TAGS[-1]
PAIRS = [chain.Pair(old, NEWEST) for old in chain.TAGS[:-1]]
# What Renovate appends to the file to see that something changed; people commit it at times.
RENOVATE_COMMENT = "\n#copier updated"
COMMANDS = {
    "plain": ["--defaults"],
    "renovate": [
        *("--skip-answered", "--defaults", "--answers-file", ANSWERS_FILE),
        *("--vcs-ref", NEWEST),
    ],
}
# Answers in turn, so that every choice meets every command.
CASES = [
    pytest.param(
        *(pair, command, kind, list(ANSWERS)[(row + column) % len(ANSWERS)]),
        id=f"{pair.old}-{command}-{kind}",
    )
    for row, pair in enumerate(PAIRS)
    for column, (command, kind) in enumerate(
        (command, kind) for command in COMMANDS for kind in ("none", "yours")
    )
]


@pytest.mark.parametrize(("pair", "command", "kind", "answers"), CASES)
def test_update_equals_a_fresh_copy_with_what_is_yours_kept(
    pair: chain.Pair,
    command: str,
    kind: str,
    answers: str,
    templates: Templates,
    tmp_path: Path,
    record_property: Record,
) -> None:
    record_property("version_pair", " ".join(pair))
    record_property("edit", kind)
    project = templates.project(pair.old, ANSWERS[answers], tmp_path / "project")
    update = between(pair, templates, project)
    edit = KINDS[kind].make(project, update)
    if command == "renovate":
        with (project / ANSWERS_FILE).open("a") as file:
            file.write(RENOVATE_COMMENT)
    if git(project, "status", "--porcelain"):
        commit_all(project, "Edited")
    mine, answered = read_tree(project), recorded_answers(project)

    done = subprocess.run(
        [sys.executable, "-m", "copier", "update", *COMMANDS[command]],
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    tree = read_tree(project)
    assert stock.with_markers(tree) | stock.unmerged(project) == frozenset()
    assert tree == update.expected() | {path: mine[path] for path in edit.paths}
    assert answered.items() <= recorded_answers(project).items()
