"""A throw-away worktree in which an update is finished before the project sees any of it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dayone.errors import DayoneError
from dayone.project import _OLDEST_GIT, Project, git, require_git, run_git, work_tree
from dayone.switch import Stage, Switch, only_one, recover, stamp, start
from dayone.trees import Tree, Trees

NUL = "\0"
_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
_READ_ONLY = {"GIT_OPTIONAL_LOCKS": "0"}  # a git that is killed leaves its locks
_BUSY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


@dataclass(frozen=True)
class Aside:
    """The worktree, at the commit that is being made."""

    project: Project
    stage: Stage
    lock: int

    @property
    def folder(self) -> Path:
        """The project in the worktree."""
        return self.stage.new / self.project.prefix

    def take(self, own: Tree, merged: Tree, trees: Trees) -> None:
        """Make the worktree's files those of a merge."""
        changed = {path: entry for path, entry in merged.items() if own.get(path) != entry}
        trees.hand_over([entry.object for entry in changed.values()])
        prefix = self.project.prefix
        gone = [path for path in own if path not in merged]
        lines = [f"0 {'0' * len(self.project.head)} 0\t{prefix}{path}\0" for path in gone]
        lines += [f"{e.mode} {e.object} 0\t{prefix}{path}\0" for path, e in changed.items()]
        git("update-index", "-z", "--index-info", cwd=self.stage.new, given="".join(lines))
        for path in gone:
            (self.folder / path).unlink()
        _check_out([f"{prefix}{path}" for path in changed], self.stage.new)
        missing = git("ls-files", "--deleted", "-z", "--", prefix or ".", cwd=self.stage.new)
        if missing:  # or the commit would remove them
            raise DayoneError(f"git could not write {missing.split(NUL)[0]}; nothing was changed.")

    def commit(self, message: str) -> str:
        """Commit what is new in the worktree; the project's git hooks would need its packages."""
        where = self.project.prefix or "."
        git("add", "--all", "--", where, cwd=self.stage.new)
        if run_git("diff", "--cached", "--quiet", "HEAD", cwd=self.stage.new).returncode == 0:
            return git("rev-parse", "HEAD", cwd=self.stage.new)
        git(*_NO_HOOKS, *identity(self.project.folder), "commit", "--quiet", "--no-verify",
            "--cleanup=whitespace", "--file=-",
            cwd=self.stage.new, given=message)  # fmt: skip
        return git("rev-parse", "HEAD", cwd=self.stage.new)

    def refuse_taken(self, branch: str) -> None:
        """A branch that was merged may be replaced."""
        ref = f"refs/heads/{branch}"
        tip = run_git("rev-parse", "--verify", "--quiet", ref, cwd=self._top).stdout.strip()
        merged = ("merge-base", "--is-ancestor", tip, self.project.head)
        if tip and run_git(*merged, cwd=self._top).returncode:
            raise DayoneError(
                f"The branch {branch} is there from an earlier update with conflicts. Resolve and "
                f"merge it, or delete it: git branch -D {branch}"
            )

    def leave_on_branch(self, branch: str, commit: str) -> None:
        git("update-ref", "-m", "dayone update", f"refs/heads/{branch}", commit, cwd=self._top)

    def bring_in(self, commit: str, message: str) -> None:
        """Put the commit in place of the one that is checked out."""
        gone, come = _difference(self.project.head, commit, self._top)
        for path in {*gone, *come}:
            self._refuse_read_only(path)
        self._refuse_absent(gone)
        known = {path: stamp(self._top / path) for path in gone}
        self._refuse_changed(gone)
        index = Path(_git_path("index", self._top))
        next_index = _next_folder(self._top) / "index"
        next_index.parent.mkdir()
        shutil.copyfile(index, next_index)
        git("read-tree", "-m", "-i", self.project.head, commit, cwd=self._top,
            env={"GIT_INDEX_FILE": str(next_index)})  # fmt: skip
        switch = Switch(
            top=str(self._top),
            index=str(index),
            next_index=str(next_index),
            before=self.project.head,
            after=commit,
            message=message,
            gone=known,
            come={path: stamp(self.stage.new / path) for path in come},
        )
        switch.claim.touch()
        start(self.stage, switch, self.lock)

    @property
    def _top(self) -> Path:
        return self.project.top

    def _refuse_changed(self, paths: list[str]) -> None:
        """An update takes its time, and people go on working."""
        if not paths:
            return
        fresh = {"GIT_INDEX_FILE": str(self.stage.folder / "fresh-index")}  # hides no edit
        known = git("ls-tree", "-r", "-z", self.project.head, "--", *paths, cwd=self._top)
        git("update-index", "-z", "--index-info", cwd=self._top, env=fresh, given=known)
        run_git("update-index", "-q", "--refresh", cwd=self._top, env=fresh)
        listed = git("diff-files", "--name-only", "-z", cwd=self._top, env=fresh)
        changed = sorted(filter(None, listed.split(NUL)))
        if changed:
            raise DayoneError(
                f"{', '.join(changed)} changed while the update was made, and it would change "
                "them too. Commit that, then try again; nothing was changed."
            )

    def _refuse_absent(self, paths: list[str]) -> None:
        absent = [path for path in paths if not os.path.lexists(self._top / path)]
        if absent:
            raise DayoneError(
                f"{', '.join(absent)}: git tracks it, but it is not checked out. Check it out "
                "(git sparse-checkout disable), then try again; nothing was changed."
            )

    def _refuse_read_only(self, path: str) -> None:
        folder = next(part for part in (self._top / path).parents if part.is_dir())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise DayoneError(
                f"{folder} is read-only, and {path} in it has to change. Allow writing, then try "
                "again; nothing was changed."
            )


@contextmanager
def aside(project: Project) -> Iterator[Aside]:
    """A worktree at the project's commit, on the project's disk; gone afterwards."""
    with only_one(Path(_git_path("dayone", project.top))) as lock:
        stage = stage_of(project)
        _clear(project.top, stage)
        stage.folder.mkdir()
        try:
            git(*_NO_HOOKS, "worktree", "add", "--force", "--quiet", "--detach",
                "--no-checkout", str(stage.new), project.head, cwd=project.top)  # fmt: skip
            git("read-tree", project.head, cwd=stage.new)
            paths = git("ls-files", "-z", "--", project.prefix or ".", cwd=stage.new)
            _check_out(paths.split(NUL), stage.new)
            yield Aside(project, stage, lock)
        finally:
            if not stage.journal.exists():
                _clear(project.top, stage)


def mend(folder: Path) -> list[str]:
    """Remove what a killed update left; returns where edits made since then were put.

    This comes before a project is opened, whose files may be half those of another version.
    """
    require_git(_OLDEST_GIT)
    top = work_tree(folder) if folder.is_dir() else None
    if top is None:
        return []
    stage = _stage_at(top.resolve())
    if not stage.folder.exists():
        return []
    with only_one(Path(_git_path("dayone", top))):
        return _clear(top.resolve(), stage)


def stage_of(project: Project) -> Stage:
    return _stage_at(project.top)


def _stage_at(top: Path) -> Stage:
    """In git's own folder, or beside the project where that is on another disk."""
    own = Path(_git_path("dayone", top))
    if own.parent.stat().st_dev == top.stat().st_dev:
        return Stage(own / "update")
    return Stage(top.parent / f".dayone-{top.name}")


def _next_folder(top: Path) -> Path:
    """On the index's disk, for what takes its place."""
    return Path(_git_path("dayone", top), "next")


def identity(folder: Path) -> list[str]:
    """Who commits, for this one command, where git was not told."""
    roles = ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT")
    known = [
        run_git("-c", "user.useConfigOnly=true", "var", role, cwd=folder).returncode == 0
        for role in roles
    ]
    return [] if all(known) else ["-c", "user.name=dayone", "-c", "user.email=dayone@localhost"]


def refuse_unready(project: Project) -> None:
    where = project.folder
    if run_git("symbolic-ref", "--quiet", "HEAD", cwd=where).returncode:
        raise DayoneError(
            f"{where} is at a detached HEAD, so there is no branch to update. "
            "Run: git switch BRANCH"
        )
    git_folder = Path(_git_path(".", where))
    for name in _BUSY:
        if (git_folder / name).exists():
            raise DayoneError(
                f"{where} is in the middle of a merge, rebase, cherry-pick or revert. "
                "Finish or abort it (git status says how), then try again."
            )
    if git("status", "--porcelain", "--", ".", cwd=where, env=_READ_ONLY):
        raise DayoneError(
            f"{where} has changes that are not committed. Commit them, or put them aside with "
            "git stash --include-untracked, then try again. dayone plan works as it is."
        )


def _clear(top: Path, stage: Stage) -> list[str]:
    """Remove the stage, and with it what a killed update left half done."""
    kept = recover(stage)
    if stage.folder.exists():
        _remove(stage.new)
        # twice --force: a git that was killed leaves it locked
        run_git("worktree", "remove", "--force", "--force", str(stage.new), cwd=top)
        _remove(_next_folder(top))
        _remove(stage.folder)
    return kept


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _check_out(paths: list[str], worktree: Path) -> None:
    given = "".join(f"{path}\0" for path in paths if path)
    git("checkout-index", "-f", "-u", "-z", "--stdin", cwd=worktree, given=given)


def _difference(before: str, after: str, top: Path) -> tuple[list[str], list[str]]:
    """The paths that have to go, and those that have to come; what changes does both."""
    listed = git("diff-tree", "-r", "-z", "--no-renames", "--name-status", before, after, cwd=top)
    parts = listed.split(NUL)
    changes = list(zip(parts[0::2], parts[1::2], strict=False))
    gone = [path for status, path in changes if status != "A"]
    return gone, [path for status, path in changes if status != "D"]


@cache
def _git_path(name: str, folder: Path) -> str:
    return git("rev-parse", "--path-format=absolute", "--git-path", name, cwd=folder)
