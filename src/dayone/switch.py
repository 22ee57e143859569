"""Brings a finished commit into a project's folder, whole or not at all.

Every new file lies ready on the same disk, so that only renames are left. A journal says what is
being done: whoever finds it after a kill goes back, or forward when the branch has moved already.
It runs as a process of its own session, which neither Ctrl-C nor the death of dayone ends:
`python -m dayone.switch STAGE`.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from dayone.errors import DayoneError
from dayone.project import git, run_git

_JOURNAL = "journal.json"
Stamp = list[int]  # of a file: when it was written, size and mode


@dataclass(frozen=True)
class Switch:
    """From one commit of the checked-out branch to its child; paths are relative to `top`."""

    top: str
    index: str
    next_index: str  # on the index's disk, ready to take its place; beside it lies `claim`
    before: str
    after: str
    message: str
    gone: dict[str, Stamp]  # present before, absent or different after
    come: dict[str, Stamp]  # absent or different before, present after

    @property
    def lock(self) -> Path:
        """git's lock on the index; it is ours when it is another name of `claim`."""
        return Path(f"{self.index}.lock")

    @property
    def claim(self) -> Path:
        return Path(self.next_index).with_name("claim")


class Stage:
    """A folder on the project's disk: new files in `new`, what they replace in `old`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.new = folder / "new"
        self.old = folder / "old"
        self.errors = folder / "errors"
        self.journal = folder / _JOURNAL

    def read(self) -> Switch:
        return Switch(**json.loads(self.journal.read_text(encoding="utf-8")))

    def write(self, switch: Switch) -> None:
        """The journal is there whole, or not."""
        draft = self.folder / "draft.json"
        with draft.open("w", encoding="utf-8") as file:
            json.dump(asdict(switch), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.journal)


def stamp(path: Path) -> Stamp:
    """What tells whether somebody has changed a file since."""
    seen = path.lstat()
    return [seen.st_mtime_ns, seen.st_size, seen.st_mode]


@contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Hold the project's lock; a switch that outlives its dayone holds it on."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DayoneError("Another dayone is at work in this project. Let it end.") from error
        yield lock.fileno()


def start(stage: Stage, switch: Switch, lock: int) -> None:
    """Switch in a session of its own, and wait for it even when interrupted."""
    with stage.errors.open("w") as errors, _deaf():
        stage.write(switch)
        code = subprocess.Popen(
            [sys.executable, "-m", "dayone.switch", str(stage.folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[lock],
            start_new_session=True,
        ).wait()
        kept = recover(stage) if code else []
    if code and not _is_done(switch):
        reason = stage.errors.read_text(encoding="utf-8").strip() or "its process was killed"
        later = f"; later edits are in {', '.join(kept)}" if kept else ""
        raise DayoneError(f"The update could not be put in place, and was undone: {reason}{later}")


@contextmanager
def _deaf() -> Iterator[None]:
    """Put Ctrl-C off: between the journal and its end there is nothing to interrupt."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


def recover(stage: Stage) -> list[str]:
    """Finish or undo what a switch left; returns where edits made since then were put."""
    if not stage.journal.exists():
        return []
    switch = stage.read()
    _unlock_branch(stage, switch)
    return _finish_or_undo(stage, switch)


def run(stage: Stage) -> None:
    """Put old files aside and new ones in their place, then move the branch and the index."""
    switch = stage.read()
    top = Path(switch.top)
    try:
        _claim_index(switch)
        if git("rev-parse", "HEAD", cwd=top) != switch.before:
            raise DayoneError("the branch has moved meanwhile")
        for path, known in switch.gone.items():
            _move(path, top, stage.old)
            if stamp(stage.old / path) != known:
                raise DayoneError(f"{path} was changed meanwhile")
        for path in switch.come:
            _remove_empty(top / path)
            if _there(top / path):
                raise DayoneError(f"{path} has appeared meanwhile")
            _move(path, stage.new, top)
        refresh = ("update-index", "-q", "--refresh")
        run_git(*refresh, cwd=top, env={"GIT_INDEX_FILE": switch.next_index})
        moved = ("update-ref", "-m", switch.message, "HEAD", switch.after, switch.before)
        git(*moved, cwd=top)
    except (OSError, DayoneError):
        _finish_or_undo(stage, switch)
        raise
    _finish(stage, switch)


def _claim_index(switch: Switch) -> None:
    """As git does, so that no other git writes the index meanwhile."""
    try:
        os.link(switch.claim, switch.lock)
    except FileExistsError:
        raise DayoneError(
            f"{switch.lock} exists: another git is at work in the project, or was killed"
        ) from None


def _is_done(switch: Switch) -> bool:
    """Whether the branch has the commit, whatever came on top of it since."""
    top = Path(switch.top)
    if git("rev-parse", "HEAD", cwd=top) == switch.after:
        return True
    return run_git("merge-base", "--is-ancestor", switch.after, "HEAD", cwd=top).returncode == 0


def _finish_or_undo(stage: Stage, switch: Switch) -> list[str]:
    if not _is_done(switch):
        return _undo(stage, switch)
    _finish(stage, switch)
    return []


def _finish(stage: Stage, switch: Switch) -> None:
    _prune(switch.gone, Path(switch.top))
    if Path(switch.next_index).exists():
        os.replace(switch.next_index, switch.index)  # noqa: PTH105
    _end(stage, switch)


def _undo(stage: Stage, switch: Switch) -> list[str]:
    """Back to where it was, from any point; what somebody has edited since is kept beside it."""
    top = Path(switch.top)
    kept = []
    for path, known in switch.come.items():
        if _there(stage.new / path) or not _there(top / path) or _is_folder(top / path):
            continue  # never came, or is gone again
        if path in switch.gone and not _there(stage.old / path):
            continue  # the old file is back
        if stamp(top / path) != known:
            kept.append(_keep(top, path))
        else:
            _move(path, top, stage.new)
    for path in switch.gone:
        if _there(stage.old / path):
            _remove_empty(top / path)
            if _there(top / path):
                own = _keep(top, path)
                inside = f"{path}/"
                kept = [name.replace(inside, f"{own}/", name.startswith(inside)) for name in kept]
                kept.append(own)
            _move(path, stage.old, top)
    _prune(switch.come, top)
    _end(stage, switch)
    return kept


def _end(stage: Stage, switch: Switch) -> None:
    if _is_ours(switch.lock, switch):
        switch.lock.unlink()
    stage.journal.unlink()


def _unlock_branch(stage: Stage, switch: Switch) -> None:
    """Remove the locks of a git that was killed while it moved the branch for us."""
    top = Path(switch.top)
    branch = run_git("symbolic-ref", "--quiet", "HEAD", cwd=top).stdout.strip()
    since = stage.journal.stat().st_mtime_ns
    for name in filter(None, ("HEAD", branch)):
        where = ("rev-parse", "--path-format=absolute", "--git-path", f"{name}.lock")
        lock = Path(git(*where, cwd=top))
        with suppress(FileNotFoundError):
            ours = lock.read_text(errors="replace").strip() in {"", switch.after}
            if ours and lock.stat().st_mtime_ns >= since:
                lock.unlink()


def _is_ours(lock: Path, switch: Switch) -> bool:
    return lock.exists() and switch.claim.exists() and lock.samefile(switch.claim)


def _keep(top: Path, path: str) -> str:
    """Give what somebody has edited another name, the first one that is free."""
    names = (f"{path}.kept{number or ''}" for number in count())
    kept = next(name for name in names if not _there(top / name))
    os.rename(top / path, top / kept)  # noqa: PTH104, a link is moved as it is
    return kept


def _move(path: str, source: Path, goal: Path) -> None:
    (goal / path).parent.mkdir(parents=True, exist_ok=True)
    os.rename(source / path, goal / path)  # noqa: PTH104, a link is moved as it is


def _prune(paths: Iterable[str], top: Path) -> None:
    """Remove the folders that have become empty, as git does."""
    for path in paths:
        for folder in list((top / path).parents)[: path.count("/")]:
            with suppress(OSError):
                folder.rmdir()


def _remove_empty(folder: Path) -> None:
    """Make way where a folder was and all that was in it has gone."""
    if _is_folder(folder):
        with suppress(OSError):
            for inner, _, _ in os.walk(folder, topdown=False):
                os.rmdir(inner)  # noqa: PTH106


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _there(path: Path) -> bool:
    return os.path.lexists(path)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    stage = Stage(Path(sys.argv[1]))
    try:
        run(stage)
    except (OSError, DayoneError) as error:
        sys.exit(str(error))
    shutil.rmtree(stage.old, ignore_errors=True)


if __name__ == "__main__":
    main()
