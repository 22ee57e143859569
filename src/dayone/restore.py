"""Puts files of a project back as its template made them, each whole, none over an edit."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dayone.aside import stage_of
from dayone.errors import DayoneError
from dayone.project import Project, git
from dayone.switch import only_one
from dayone.trees import Tree, Trees


@contextmanager
def only_fix(project: Project) -> Iterator[Path]:
    """Hold the project's lock, and have a folder on its disk; what a killed one left is removed."""
    own = git("rev-parse", "--path-format=absolute", "--git-path", "dayone", cwd=project.top)
    stage = stage_of(project).folder
    bench = stage / "fix"
    with only_one(Path(own)):
        shutil.rmtree(bench, ignore_errors=True)
        bench.mkdir(parents=True)
        try:
            yield bench
        finally:
            shutil.rmtree(bench)
            with suppress(OSError):  # not empty: another's
                stage.rmdir()


def restore(project: Project, wanted: Tree, own: Tree, trees: Trees, bench: Path) -> None:
    """Write the wanted files; all of them are refused when one would overwrite an edit."""
    _refuse_uncommitted(wanted, own, trees.of_commit(project.head, project.prefix))
    for path in wanted:
        _refuse_obstructed(project.folder, path)
    _check_out(project, wanted, trees, bench)
    for path in wanted:
        goal = project.folder / path
        goal.parent.mkdir(parents=True, exist_ok=True)
        (bench / project.prefix / path).replace(goal)


def behind(project: Path, path: str) -> str | None:
    """What lies on the way to a path and is no folder of the project itself."""
    for parent in reversed(Path(path).parents[:-1]):
        lies = project / parent
        if lies.is_symlink() or (os.path.lexists(lies) and not lies.is_dir()):
            return parent.as_posix()
    return None


def _refuse_uncommitted(wanted: Tree, own: Tree, committed: Tree) -> None:
    edited = [path for path in wanted if path in own and own[path] != committed.get(path)]
    if edited:
        raise DayoneError(
            f"{', '.join(edited)}: not committed as it lies there, so that the edit would be lost. "
            "Commit it or throw it away (git restore PATH), then try again; nothing was changed."
        )


def _refuse_obstructed(folder: Path, path: str) -> None:
    obstacle = behind(folder, path)
    goal = folder / path
    if obstacle:
        raise DayoneError(
            f"{obstacle} is not a folder of the project, and {path} belongs into it. Remove or "
            "rename it, then try again; nothing was changed."
        )
    if goal.is_dir() and not goal.is_symlink():
        raise DayoneError(
            f"{path} is a folder, where the template has a file. Remove or rename it, then try "
            "again; nothing was changed."
        )
    parent = next(parent for parent in goal.parents if parent.is_dir())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise DayoneError(
            f"{parent} is read-only, and {path} in it has to change. Allow writing, then try "
            "again; nothing was changed."
        )


def _check_out(project: Project, wanted: Tree, trees: Trees, bench: Path) -> None:
    """Let git write the files, with the line endings and modes of this clone."""
    env = {
        "GIT_INDEX_FILE": str(trees.repository / "index-restore"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(trees.repository / "objects"),
    }
    lines = [f"{e.mode} {e.object} 0\t{project.prefix}{path}\0" for path, e in wanted.items()]
    git("update-index", "-z", "--index-info", cwd=project.top, env=env, given="".join(lines))
    git("checkout-index", "--all", f"--prefix={bench}/", cwd=project.top, env=env)
