"""Brings a finished commit into a project's folder, whole or not at all.

Every new file lies ready on the same disk, so that only renames are left. A journal says how far
they got: whoever finds it after a power cut goes back, or forward when the branch has moved
already. It runs as a process of its own session, which neither Ctrl-C nor the death of dayone
ends: `python -m dayone.switch STAGE`.
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
from pathlib import Path

from dayone.errors import DayoneError
from dayone.project import git

_JOURNAL = "journal.json"


@dataclass(frozen=True)
class Switch:
    """From one commit of the checked-out branch to its child; paths are relative to `top`."""

    top: str
    index: str
    next_index: str  # beside the index, ready to take its place
    before: str
    after: str
    message: str
    gone: list[str]  # present before, absent or different after
    come: dict[str, int]  # absent or different before, present after; with its time in nanoseconds


class Stage:
    """A folder on the project's disk: new files in `new`, what they replace in `old`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.new = folder / "new"
        self.old = folder / "old"
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
    stage.write(switch)
    process = subprocess.Popen(
        [sys.executable, "-m", "dayone.switch", str(stage.folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(stage.folder / "errors").open("w"),
        pass_fds=[lock],
        start_new_session=True,
    )
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            continue
    if code:
        recover(stage)
        reason = (stage.folder / "errors").read_text(encoding="utf-8").strip()
        raise DayoneError(f"The update could not be put in place, and was undone: {reason}")


def recover(stage: Stage) -> list[str]:
    """Finish or undo what a switch left; returns where edits made since then were put."""
    if not stage.journal.exists():
        return []
    switch = stage.read()
    if git("rev-parse", "HEAD", cwd=Path(switch.top)) == switch.after:
        _finish(stage, switch)
        return []
    return _undo(stage, switch)


def run(stage: Stage) -> None:
    """Put old files aside and new ones in their place, then move the branch and the index."""
    switch = stage.read()
    top = Path(switch.top)
    lock = Path(f"{switch.index}.lock")
    try:
        os.link(switch.next_index, lock)  # as git does: nobody else writes the index meanwhile
    except FileExistsError:
        stage.journal.unlink()
        raise DayoneError(f"{lock} exists: another git is at work in the project.") from None
    try:
        if git("rev-parse", "HEAD", cwd=top) != switch.before:
            raise DayoneError("the branch has moved meanwhile")
        _move(switch.gone, top, stage.old)
        _prune(switch.gone, top)
        _move(switch.come, stage.new, top)
        moved = ("update-ref", "-m", switch.message, "HEAD", switch.after, switch.before)
        git(*moved, cwd=top)
    except (OSError, DayoneError):
        _undo(stage, switch)
        raise
    _finish(stage, switch)


def _finish(stage: Stage, switch: Switch) -> None:
    lock = Path(f"{switch.index}.lock")
    if _is_ours(lock, switch):
        lock.replace(switch.index)
    stage.journal.unlink()


def _undo(stage: Stage, switch: Switch) -> list[str]:
    """Back to where it was, from any point; what somebody has edited since is kept beside it."""
    top = Path(switch.top)
    placed = [path for path in switch.come if not _there(stage.new / path)]
    kept = [_keep(top, path) for path in placed if _edited(top / path, switch.come[path])]
    _move([path for path in placed if _there(top / path)], top, stage.new)
    _prune(switch.come, top)
    aside = [path for path in switch.gone if _there(stage.old / path)]
    kept += [_keep(top, path) for path in aside if _there(top / path)]
    _move(aside, stage.old, top)
    lock = Path(f"{switch.index}.lock")
    if _is_ours(lock, switch):
        lock.unlink()
    stage.journal.unlink()
    return kept


def _is_ours(lock: Path, switch: Switch) -> bool:
    return lock.exists() and lock.samefile(switch.next_index)


def _edited(path: Path, time: int) -> bool:
    return _there(path) and path.lstat().st_mtime_ns != time


def _keep(top: Path, path: str) -> str:
    kept = f"{path}.kept"
    (top / path).rename(top / kept)
    return kept


def _move(paths: Iterable[str], source: Path, goal: Path) -> None:
    for path in paths:
        (goal / path).parent.mkdir(parents=True, exist_ok=True)
        os.rename(source / path, goal / path)  # noqa: PTH104, a link is moved as it is


def _prune(paths: Iterable[str], top: Path) -> None:
    """Remove the folders that have become empty, as git does."""
    for path in paths:
        with suppress(OSError):
            for folder in list((top / path).parents)[: path.count("/")]:
                folder.rmdir()


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
