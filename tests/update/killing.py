"""Updates that are killed: a small project that meets every kind of change, and how it is judged.

world = new_world(folder)
project = world.fresh(folder / "project")
kill(update(project), project, program="dayone update", step=12)
world.judge_mended(project)
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dayone.aside import mend, stage_of
from dayone.project import open_project
from support.cli import COMMAND, dayone
from support.git import commit_all, git
from support.tiny import tiny_template

KILLED = -signal.SIGKILL
SWITCH = "dayone.switch"
KILLERS = Path(__file__).parent / "killers"
DATES = {"GIT_AUTHOR_DATE": "2026-01-01T00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00Z"}
LINES = "".join(f"line {number}\n" for number in range(20))
FIRST = {
    "docs/edited.md": LINES,
    "docs/old/gone.md": "gone\n",
    "job": f"#!/bin/sh\n{LINES}",
    "plain.py": "print('plain')\n",
    "tools/größe.py": LINES.replace("line", "größe"),
}


# A hook for updates that does what a test tells it, in one of its two phases.
HOOK = """\
import json, os, sys
from pathlib import Path
project, phase = Path(sys.argv[1]), json.load(sys.stdin)["phase"]
if phase == os.environ.get("HOOK_PHASE"):
    exec(os.environ["HOOK_DOES"])
"""


class Seen(NamedTuple):
    """Everything in a project that an update must leave as it was, or as it should be."""

    files: dict[str, tuple[int, bytes]]
    index: str
    branches: str


def seen(project: Path) -> Seen:
    files = {}
    for path in project.rglob("*"):
        name = path.relative_to(project).as_posix()
        if name.partition("/")[0] != ".git":
            content = os.fsencode(path.readlink()) if path.is_symlink() else b""
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
            files[name] = (path.lstat().st_mode, content)
    branches = git(project, "for-each-ref") + (project / ".git/HEAD").read_text()
    return Seen(files, git(project, "ls-files", "--stage", "-v"), branches)


def difference(one: Seen, other: Seen) -> list[str]:
    """The paths that differ, and the parts of git that do."""
    paths = sorted({**one.files, **other.files})
    differ = [path for path in paths if one.files.get(path) != other.files.get(path)]
    return differ + [
        name for name in ("index", "branches") if getattr(one, name) != getattr(other, name)
    ]


def leftovers(project: Path) -> list[str]:
    """What nobody expects to find after the next dayone command, in git's words and on the disk."""
    own = project / ".git/dayone"
    return [
        *git(project, "--no-optional-locks", "status", "--porcelain").splitlines(),
        *git(project, "worktree", "list").splitlines()[1:],
        *map(str, (project / ".git").rglob("*.lock")),
        *(path.name for path in own.glob("*") if path.name != "lock"),
        *(path.name for path in project.parent.iterdir() if path.name.startswith(".dayone")),
    ]


@dataclass(frozen=True)
class World:
    """A project before an update, and as the update leaves it."""

    template: Path
    origin: Path  # not to be changed
    before: Seen
    after: Seen

    def fresh(self, folder: Path) -> Path:
        """The project before the update."""
        shutil.rmtree(folder, ignore_errors=True)
        return Path(shutil.copytree(self.origin, folder, symlinks=True))

    def frozen(self, folder: Path) -> Path:
        """The project at the moment when all is ready and nothing has been moved."""
        project = self.fresh(folder)
        code, _ = kill(update(project), project, program="dayone update", step=SWITCH)
        assert code == KILLED
        assert stage_of(open_project(project)).journal.exists()
        return project

    def judge(self, project: Path, trace: object = "") -> bool:
        """Fail unless the project is as before or as after; whether it is as after."""
        now = seen(project)
        differs = [difference(now, known) for known in (self.before, self.after)]
        assert [] in differs, f"{trace}: not as before: {differs[0]}; not as after: {differs[1]}"
        assert not (project / ".git/index.lock").exists(), trace
        assert not git(project, "--no-optional-locks", "status", "--porcelain"), trace
        return now == self.after

    def judge_mended(self, project: Path, trace: object = "") -> bool:
        """The same once the next dayone command has begun, when nothing else is left."""
        assert mend(project) == [], trace
        assert leftovers(project) == [], trace
        return self.judge(project, trace)


class Frozen:
    """A project whose update is ready to be put in place, as often as it is wanted."""

    def __init__(self, world: World, folder: Path) -> None:
        self.project = world.frozen(folder / "project")
        self.copy = Path(shutil.copytree(self.project, folder / "copy", symlinks=True))
        self.command = [sys.executable, "-m", SWITCH, str(self.project / ".git/dayone/update")]
        code, self.steps = self.kill(0)
        assert code == 0
        assert world.judge_mended(self.project)

    def kill(self, step: int) -> tuple[int, list[str]]:
        """Put the update in place, up to a step."""
        self.restore()
        return kill(self.command, self.project, program=SWITCH, step=step)

    def step_of(self, words: str) -> int:
        return next(number for number, step in enumerate(self.steps, 1) if words in step)

    def restore(self) -> None:
        shutil.rmtree(self.project)
        shutil.copytree(self.copy, self.project, symlinks=True)


def new_world(folder: Path) -> World:
    template = tiny_template(folder / "template", FIRST)
    git(template, "tag", "v1.0.0")
    _second_version(template)
    project = folder / "before"
    made = dayone(
        *("new", project, "--template", template, "-r", "v1.0.0", "--defaults", "--no-hooks"),
        *("-d", "project_name=Late flights"),
    )
    assert made.code == 0, made.err
    _persons_files(project)
    after = Path(shutil.copytree(project, folder / "after", symlinks=True))
    assert run(update(after), after) == 0
    before, then = seen(project), seen(after)
    assert then.files.keys() >= {"job/job", "new/deep/ä.txt", "tools/cache.tmp"}
    assert "docs/old" not in then.files
    assert leftovers(after) == []
    return World(template, project, before, then)


def _second_version(template: Path) -> None:
    """A file becomes a folder, one goes with its folder, one comes, one changes, one its mode."""
    files = template / "template"
    (template / "hooks/after_update.py").write_text(HOOK)
    (files / "run").mkdir()
    git(files, "mv", "job", "run/job")
    git(files, "mv", "run", "job")
    git(files, "rm", "--quiet", "docs/old/gone.md")
    (files / "docs/edited.md").write_text(LINES.replace("line 3\n", "line three\n"))
    (files / "plain.py").chmod(0o755)
    (files / "new/deep").mkdir(parents=True)
    (files / "new/deep/ä.txt").write_text("neu\n")
    (files / "tools/größe.py").write_text(FIRST["tools/größe.py"] + "# more\n")
    commit_all(template, "Second")
    git(template, "tag", "v2.0.0")


def _persons_files(project: Path) -> None:
    """An edit, a link, an own folder mode, ignored files, and one git does not know."""
    (project / ".gitignore").write_text("*.tmp\n.venv/\n")
    (project / "docs/edited.md").write_text(f"{LINES}mine\n")
    (project / "link").symlink_to("docs/edited.md")
    (project / "data").mkdir()
    (project / "data/own é.csv").write_text("a;b\r\n")
    (project / "tools").chmod(0o700)
    shutil.rmtree(project / ".git", ignore_errors=True)
    git(project, "init", "--quiet", "--template=")
    commit_all(project, "Start")
    git(project, "branch", "other")
    (project / "tools/cache.tmp").write_text("cache\n")
    (project / ".venv").mkdir()
    (project / ".venv/python").write_text("python\n")


# Running and killing ------------------------------------------------------------------------------


def update(project: Path, *options: str) -> list[str]:
    return [*COMMAND, "update", str(project), "--defaults", *(options or ("--no-hooks",))]


def start(command: list[str], **env: object) -> subprocess.Popen[bytes]:
    """Start in a process group of its own, as a shell does, and with Ctrl-C as on a terminal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            command,
            env={**os.environ, **DATES, **{name: str(value) for name, value in env.items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def end(process: subprocess.Popen[bytes], project: Path) -> tuple[int, str]:
    """The exit code and what was said, once all that was started has ended."""
    assert process.stderr
    said = process.stderr.read().decode()
    code = process.wait()
    while any(_in_group(process.pid)):
        time.sleep(0.01)
    wait_for_switch(project)
    assert "Traceback" not in said, said
    return code, said


def wait_for_switch(project: Path) -> None:
    """It may go on when dayone is dead, and holds the project's lock as long."""
    lock = project / ".git/dayone/lock"
    if lock.exists():
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)


def with_killers() -> str:
    """A PYTHONPATH with `killers` in front."""
    return os.pathsep.join([str(KILLERS), os.environ.get("PYTHONPATH", "")])


def run(command: list[str], project: Path, **env: object) -> int:
    return end(start(command, **env), project)[0]


def kill(
    command: list[str],
    project: Path,
    *,
    program: str,
    step: int | str = 0,
    number: int = signal.SIGKILL,
) -> tuple[int, list[str]]:
    """Send a signal just before a step of a program: its exit code, and the steps it has taken.

    The program is the command, or what it starts; step 0 is none.
    """
    log = project.with_name("steps.log")
    log.write_text("")
    code = run(
        command,
        project,
        PYTHONPATH=with_killers(),
        KILL_PROGRAM=program,
        KILL_STEP=step,
        KILL_SIGNAL=int(number),
        KILL_INSIDE=project,
        KILL_LOG=log,
    )
    return code, log.read_text().splitlines()


def kill_at_git(command: list[str], project: Path, when: str) -> tuple[int, list[str]]:
    """Kill who calls git, `when` is for example "7 before": the exit code, and git's commands."""
    log = project.with_name("git.log")
    log.write_text("")
    path = os.pathsep.join([str(KILLERS), os.environ["PATH"]])
    code = run(command, project, PATH=path, KILL_GIT=when, KILL_GIT_LOG=log)
    return code, log.read_text().splitlines()


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    while not path.exists() and process.poll() is None:
        time.sleep(0.001)


def _in_group(group: int) -> Iterator[int]:
    """The living processes of a group; one that is dead and not yet forgotten does not count."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has just ended
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z" and int(fields[2]) == group:
                    yield int(entry.name)
