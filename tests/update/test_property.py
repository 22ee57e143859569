"""Whatever people do between updates, and whatever becomes of an update, nothing of theirs is lost.

hypothesis plays random lives of projects: edits, updates, changed answers, kills, conflicts that
are resolved. What must hold is read from the project before each update, and looked for after it.
"""

import io
import os
import re
import runpy
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from rich.console import Console

from dayone.aside import mend
from dayone.evolve import Options
from dayone.fast_copier import faster
from dayone.ownership import Ownership
from dayone.screen import Screen
from dayone.update import Updated, update
from support.cli import dayone
from support.git import commit_all, git

from . import chronicle
from .cases import EVERYTHING, SEED
from .killing import KILLERS, SWITCH, leftovers, wait_for_switch, with_killers
from .projects import ANSWERS_FILE, Tree, read_commit, read_tree, recorded_answers

EXAMPLES, STEPS = (250, 25) if EVERYTHING else (40, 16)
PARTS = 2  # one for each core
MARKERS = re.compile(
    rb"^<{7} .*?\n(?P<mine>.*?)^\|{7}.*?^={7}\r?\n(?P<theirs>.*?)^>{7} .*?\n",
    re.DOTALL | re.MULTILINE,
)
WRITTEN = re.compile(rb"written \d+")
DATA = (
    "",
    *("serving=batch", "serving=realtime", "serving=realtime,batch"),
    *("owner=Somebody else", "owner=Data team", "extras=true", "extras=false"),
)
KILLS = st.one_of(
    *(st.none(), st.none()),
    st.tuples(st.just(""), st.integers(1, 90)),
    st.tuples(st.just(SWITCH), st.integers(1, 35)),
)
NEW = ("docs/extra.md", "tools/verify.py", "docs/own é.md", "own.py")
FOLDERS = ("docs", "notes", "src")
EDIT = st.tuples(
    st.deferred(lambda: st.sampled_from(list(KINDS))), st.integers(0, 99), st.integers(0, 11)
)
FREE = precondition(lambda self: not self.branch)
CONFLICT = precondition(lambda self: self.branch)


class Life(RuleBasedStateMachine):
    """A project from its first day on; the test says from what, and gets what was tried."""

    start: Path
    owners: Ownership
    tried: list[str]

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="life-"))
        self.project = self.folder / "project"
        shutil.copytree(self.start, self.project)
        self.version = 0
        self.answers = recorded_answers(self.project)
        self.away: set[str] = set()  # deleted or moved by people
        self.executable: set[str] = set()
        self.crlf: set[str] = set()
        self.written = 0
        self.branch: str | None = None  # left by an update with conflicts
        self.asked: tuple[int, dict[str, Any]] = (0, {})

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    # What people do ------------------------------------------------------------------------------

    @FREE
    @rule(edits=st.lists(EDIT, min_size=1, max_size=4))
    def edit(self, edits: list[tuple[str, int, int]]) -> None:
        for kind, choice, number in edits:
            if KINDS[kind](self, choice, number):
                self.tried.append(kind)
        if git(self.project, "status", "--porcelain"):
            commit_all(self.project, "Edits")

    def edit_a_line(self, choice: int, number: int) -> bool:
        path = self.some_file(choice)
        lines = (self.project / path).read_bytes().splitlines(keepends=True)
        if number >= len(lines) or WRITTEN.search(lines[number]):
            return False
        lines[number] = self.new_line(path)
        return self.save(path, b"".join(lines))

    def append_a_line(self, choice: int, number: int) -> bool:
        path = self.some_file(choice)
        return self.save(path, (self.project / path).read_bytes() + self.new_line(path))

    def add_a_file(self, choice: int, number: int) -> bool:
        """At a path that the template has later, or never."""
        path = NEW[choice % len(NEW)]
        if (self.project / path).exists():
            return False
        self.away.discard(path)
        return self.save(path, b"own\n" * number + self.new_line(path))

    def delete_a_file(self, choice: int, number: int) -> bool:
        path = self.some_file(choice)
        if len(read_tree(self.project)) < 6:
            return False
        (self.project / path).unlink()
        self.gone(path)
        return True

    def move_a_file(self, choice: int, number: int) -> bool:
        path = self.some_file(choice)
        goal = f"{FOLDERS[number % len(FOLDERS)]}/moved-{Path(path).name}"
        if (self.project / goal).exists():
            return False
        (self.project / goal).parent.mkdir(exist_ok=True)
        (self.project / path).rename(self.project / goal)
        self.away.discard(goal)
        self.gone(path, goal)
        return True

    def make_executable(self, choice: int, number: int) -> bool:
        path = self.some_file(choice)
        (self.project / path).chmod(0o755)
        self.executable.add(path)
        return True

    def take_windows_line_endings(self, choice: int, number: int) -> bool:
        path = self.some_file(choice)
        if path in self.crlf:
            return False
        self.crlf.add(path)
        content = (self.project / path).read_bytes()
        return self.save(path, content.replace(b"\n", b"\r\n"))

    # Updates -------------------------------------------------------------------------------------

    @FREE
    @rule(further=st.integers(0, 3), data=st.sampled_from(DATA), kill=KILLS)
    def update(self, further: int, data: str, kill: tuple[str, int] | None) -> None:
        target, given, answers = self.ask(further, data)
        before, head = read_tree(self.project), self.head()
        if kill:
            self.killed(target, given, kill)
        else:
            self.updated(target, given, before)
        assert leftovers(self.project) == []
        if self.head() == head:
            assert read_tree(self.project) == before
        else:
            self.survived(before, target, answers)
            assert self.run(target, given).result == "nothing"
        self.asked = target, answers

    def updated(self, target: int, given: list[str], before: Tree) -> None:
        done = self.run(target, given)
        self.tried.append(done.result)
        if done.result == "conflicts":
            assert done.branch
            self.branch = done.branch
            left = read_commit(self.project, done.branch)
            assert written(left) >= written(before)
            with_markers = {path for path, file in left.items() if MARKERS.search(file.data)}
            assert with_markers <= {conflict["path"] for conflict in done.plan["conflicts"]}

    def killed(self, target: int, given: list[str], kill: tuple[str, int]) -> None:
        """dayone is killed, or the switch; the next dayone command finds what is left."""
        if self.run_and_kill(target, given, *kill):
            self.tried.append("kill")
        assert mend(self.project) == []
        branch = git(self.project, "branch", "--list", "dayone/*").strip()
        if branch:
            git(self.project, "branch", "--quiet", "-D", branch)

    @CONFLICT
    @rule()
    def resolve(self) -> None:
        """Where both changed the same lines, the person's stay, on whatever side they are."""
        before = read_tree(self.project)
        git(self.project, "switch", "--quiet", self.branch)
        for path in read_tree(self.project):
            content = (self.project / path).read_bytes()
            mine = MARKERS.sub(persons_lines, content)
            if mine != content:
                (self.project / path).write_bytes(mine)
        git(self.project, "commit", "--quiet", "--all", "--amend", "--no-edit", "--allow-empty")
        git(self.project, "switch", "--quiet", "main")
        git(self.project, "merge", "--quiet", "--ff-only", self.branch)
        git(self.project, "branch", "--quiet", "-d", self.branch)
        self.branch = None
        self.survived(before, *self.asked)

    @CONFLICT
    @rule()
    def give_up(self) -> None:
        git(self.project, "branch", "--quiet", "-D", self.branch)
        self.branch = None

    # What must hold ------------------------------------------------------------------------------

    def survived(self, before: Tree, target: int, answers: dict[str, Any]) -> None:
        now = read_tree(self.project)
        assert written(now) >= written(before)
        assert not [path for path, file in now.items() if MARKERS.search(file.data)]
        assert not self.away & now.keys()
        for path, file in before.items():
            if self.owners.owner_of(path) == "yours":
                assert now[path] == file, path
        self.executable = self.follow(self.executable, before, now)
        self.crlf = self.follow(self.crlf, before, now) & now.keys()
        for path in self.executable:
            assert now[path].executable, path
        for path in self.crlf:
            assert not re.search(rb"(?<!\r)\n", now[path].data), path
        assert recorded_answers(self.project) == answers
        recorded = (self.project / ANSWERS_FILE).read_text()
        assert f"_commit: {chronicle.TAGS[target]}\n" in recorded
        self.version, self.answers = target, answers
        self.away -= chronicle.switched_off(answers)  # which another answer may bring again

    # Means ---------------------------------------------------------------------------------------

    def some_file(self, choice: int) -> str:
        """Anybody's file with something in it, but not the answers."""
        tree = read_tree(self.project)
        paths = sorted(path for path, file in tree.items() if file.data and path != ANSWERS_FILE)
        return paths[choice % len(paths)]

    def new_line(self, path: str) -> bytes:
        self.written += 1
        return f"written {self.written}".encode() + (b"\r\n" if path in self.crlf else b"\n")

    def save(self, path: str, content: bytes) -> bool:
        (self.project / path).parent.mkdir(exist_ok=True)
        (self.project / path).write_bytes(content)
        return True

    def gone(self, path: str, goal: str | None = None) -> None:
        """Note that people deleted a file, or moved it."""
        if self.version >= chronicle.SINCE.get(path, 0):
            self.away.add(path)
            if goal is None and path in chronicle.RENAMED:
                self.away |= {chronicle.RENAMED[path]} - read_tree(self.project).keys()
        for known in (self.executable, self.crlf):
            if path in known:
                known.remove(path)
                known |= {goal} - {None}

    def ask(self, further: int, data: list[str]) -> tuple[int, list[str], dict[str, Any]]:
        """The version, the answers that change, and all answers as they will be."""
        target = min(self.version + further, len(chronicle.TAGS) - 1)
        new = {"extras": False} if target >= chronicle.ASKS_EXTRAS else {}
        name, _, value = data.partition("=")
        if not data or (name == "extras" and not new):
            return target, [], {**new, **self.answers}
        given = yaml.safe_load(f"[{value}]") if name == "serving" else yaml.safe_load(value)
        return target, [data], {**new, **self.answers, name: given}

    def run(self, target: int, data: list[str]) -> Updated:
        quiet = Screen()
        quiet.out = quiet.err = Console(file=io.StringIO())
        options = Options(self.project, None, chronicle.TAGS[target], True, data, None, False)
        return update(options, quiet)

    def run_and_kill(self, target: int, data: list[str], program: str, step: int) -> bool:
        """Update in a process of its own, and kill that or the switch; whether one was killed."""
        log = self.folder / "steps.log"
        log.write_text("")
        child = os.fork()
        if not child:
            try:
                tempfile.tempdir = str(self.folder)
                os.environ |= {
                    "KILL_PROGRAM": program,
                    "KILL_STEP": str(step),
                    "KILL_INSIDE": str(self.project),
                    "KILL_LOG": str(log),
                    "PYTHONPATH": with_killers(),
                }
                runpy.run_path(str(KILLERS / "sitecustomize.py"))
                self.run(target, data)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        wait_for_switch(self.project)
        return len(log.read_text().splitlines()) >= step

    def head(self) -> str:
        return git(self.project, "rev-parse", "HEAD")

    def follow(self, paths: set[str], before: Tree, now: Tree) -> set[str]:
        """Where files are after an update, but for one that met a file of the person's own."""
        goals = {path: path if path in now else chronicle.RENAMED.get(path, path) for path in paths}
        return {goal for path, goal in goals.items() if goal == path or goal not in before}


KINDS = {
    "edit a line": Life.edit_a_line,
    "append a line": Life.append_a_line,
    "add a file": Life.add_a_file,
    "delete a file": Life.delete_a_file,
    "move a file": Life.move_a_file,
    "change a mode": Life.make_executable,
    "change line endings": Life.take_windows_line_endings,
}


def persons_lines(conflict: re.Match[bytes]) -> bytes:
    """A file of the person's may meet another one that the template has renamed."""
    end = b"\r\n" if b"\r\n" in conflict["mine"] else b"\n"
    carried = WRITTEN.findall(conflict["theirs"])
    more = [line + end for line in carried if line not in WRITTEN.findall(conflict["mine"])]
    return conflict["mine"] + b"".join(more)


def written(tree: Tree) -> set[bytes]:
    """All lines that people wrote, wherever they are."""
    return {line for file in tree.values() for line in WRITTEN.findall(file.data)}


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_of_a_person_is_lost(
    tmp_path: Path, record_property: Callable[[str, object], None], part: int
) -> None:
    template = chronicle.build(tmp_path / "template")
    project = tmp_path / "late-flights"
    made = dayone(
        *("new", project, "--template", template, "-r", chronicle.TAGS[0]),
        *("--defaults", "--no-hooks"),
    )
    assert made.code == 0, made.err
    commit_all(project, "Start")
    config = yaml.safe_load((template / "copier.yml").read_text())
    lives = {"start": project, "tried": [], "owners": Ownership(config["_ownership"])}
    with faster():
        run_state_machine_as_test(
            seed(SEED + part)(type("Life", (Life,), lives)),
            settings=settings(
                max_examples=EXAMPLES // PARTS,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    counted = Counter(lives["tried"])
    print(counted)
    record_property("kills", counted["kill"])
    record_property("lives", EXAMPLES // PARTS)
    for kind in KINDS:
        for _ in range(counted[kind]):
            record_property("edit", kind)
    assert {"updated", "conflicts", "nothing", "kill", *KINDS} <= counted.keys()
