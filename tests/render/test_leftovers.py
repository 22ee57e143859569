"""The emitted project's lint session refuses what an update leaves for a person to finish."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.git import commit_all, git
from support.rendering import render

OURS, BASE, THEIRS = "<" * 7, "|" * 7, ">" * 7
CONFLICT = f"""\
a = 1
{OURS} before updating
b = 2
{BASE} last update
b = 1
=======
b = 3
{THEIRS} after updating
"""
HEADING = "Results\n=======\n\nLonger\n======\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = render({"project_name": "My PoC"}, tmp_path / "my-poc")
    commit_all(folder)
    return folder


def leftovers(project: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "tools/leftovers.py"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def write(project: Path, name: str, text: str) -> None:
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text(text)


def test_fresh_project_has_none(project: Path) -> None:
    assert leftovers(project) == (0, "")


@pytest.mark.parametrize("name", ["params.yaml", "docs/größe mit Raum.md", "new.py"])
def test_conflict_markers_are_named_with_their_lines(project: Path, name: str) -> None:
    write(project, name, CONFLICT)
    code, said = leftovers(project)
    assert code == 1
    assert re.findall(r"^(.*?):(\d+):", said, re.M) == [(name, "2"), (name, "4"), (name, "8")]


def test_markers_are_found_after_they_are_committed(project: Path) -> None:
    write(project, "README.md", CONFLICT.replace("\n", "\r\n"))
    commit_all(project)
    assert leftovers(project)[0] == 1


@pytest.mark.parametrize("name", ["params.yaml.rej", "src/my_poc/features.py.orig"])
@pytest.mark.parametrize("committed", [False, True])
def test_rejected_hunks_are_named(project: Path, name: str, committed: bool) -> None:
    write(project, name, "@@ -1 +1 @@\n")
    if committed:
        commit_all(project)
    assert leftovers(project) == (1, f"{name}: add what its file misses, delete this one.\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docs/results.md", HEADING),
        ("docs/git.md", f"Git writes `{OURS} ours`, and\n\n    {OURS} ours\n"),
        ("docs/arrow.md", f"{OURS}<<<\n{THEIRS}>>>\n"),
        ("var/notes.md", CONFLICT),
        ("var/notes.md.rej", "@@ -1 +1 @@\n"),
        ("data/blob.bin", "\0" + CONFLICT),
    ],
)
def test_what_only_looks_like_it_passes(project: Path, name: str, text: str) -> None:
    """Headings, quotes, longer rows, and files that git ignores or takes for binary."""
    write(project, name, text)
    assert leftovers(project) == (0, "")


def test_neighbours_in_the_same_repository_are_not_looked_at(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    write(tmp_path, "other/code.py", CONFLICT)
    folder = render({"project_name": "My PoC"}, tmp_path / "my-poc")
    commit_all(tmp_path)
    assert leftovers(folder) == (0, "")
    write(folder, "tests/test_new.py", CONFLICT)
    assert leftovers(folder)[0] == 1


def test_without_a_repository_git_says_so(tmp_path: Path) -> None:
    folder = render({"project_name": "My PoC"}, tmp_path / "my-poc")
    code, said = leftovers(folder)
    assert code == 1
    assert "not a git repository" in said


def test_lint_session_and_git_hook_run_it(project: Path) -> None:
    config = yaml.safe_load((project / ".pre-commit-config.yaml").read_text())
    (hook,) = [one for one in config["repos"][0]["hooks"] if one["id"] == "leftovers"]
    assert hook["entry"].split() == [".venv/bin/python", "tools/leftovers.py"]
    assert not {"files", "types", "exclude"} & set(hook)  # else it runs for those files only
    tasks = ast.parse((project / "noxfile.py").read_text())
    (lint,) = [one for one in tasks.body if isinstance(one, ast.FunctionDef) and one.name == "lint"]
    assert "run(session, 'python', 'tools/leftovers.py')" in map(ast.unparse, lint.body)
