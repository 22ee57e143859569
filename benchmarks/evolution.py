"""What evolving a project costs in processor time: plan, update and check-update against stock.

One project by the command lines, then many in one process, each beside what Copier takes for the
same, and all against the floor: one rendering of the files from a warm Jinja environment. Counted
are the seconds of a command with all that it starts. Everything lies in memory where Linux offers
that: for equal files a disk took up to ten times as long, by what had been written before.
"""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any, NamedTuple

from copier import Settings, run_update
from copier._main import get_update_data
from generation import SCRIPTS, Floor, in_process
from results import clone, environment, keep, median, table

from dayone.cli import app
from dayone.fast_copier import faster

ROUNDS = 5
PROJECTS = 50
MEMORY = Path("/dev/shm")  # noqa: S108
OLD, NEW = "v1.0.0", "v1.1.0"
NEW_LINES = {
    "template/README.md.jinja": "\n{{ project_name }} has a new line.\n",
    "template/noxfile.py.jinja": "\n# A new line.\n",
    "template/tests/conftest.py": "\n# A new line.\n",
}
EDITED, OURS = "src/my_poc/features.py", "\n# Ours.\n"
WHO = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "Bench"), ("EMAIL", "bench@example.com"))
}


class Way(NamedTuple):
    """A command, its exit code, and what stock Copier has for it inside a process."""

    command: tuple[str, ...]
    stock: Callable[[Path], Any] | None = None
    exit_code: int = 0


WAYS = {
    "dayone plan": Way(("dayone", "plan", "--json")),
    "dayone update": Way(("dayone", "update", "--defaults", "--no-hooks", "--json")),
    "dayone check-update": Way(("dayone", "check-update", "--json"), exit_code=3),
    "copier update": Way(
        ("copier", "update", "--defaults", "--quiet"),
        lambda project: run_update(
            project, defaults=True, overwrite=True, quiet=True, settings=Settings()
        ),
    ),
    "copier check-update": Way(("copier", "check-update", "--quiet"), get_update_data, exit_code=2),
}


def main() -> None:
    if os.access(MEMORY, os.W_OK):
        tempfile.tempdir = str(MEMORY)
    with clone() as template, tempfile.TemporaryDirectory(prefix="dayone-bench-") as name:
        floor = measure_floor(template, Path(name))
        release(template)
        project = make_project(template, Path(name, "project", "my-poc"))
        report(
            floor,
            one={way: measure_command(way, project) for way in WAYS},
            many={way: measure_many(way, project) for way in WAYS},
        )


def report(floor: float, one: dict[str, float], many: dict[str, float]) -> None:
    rows = [
        [way, f"{one[way]:.3f}", times(one[way], floor), f"{each:.3f}", times(each, floor)]
        for way, each in many.items()
    ]
    table(["Processor seconds", "Alone", "Floors", f"Each of {PROJECTS}", "Floors"], rows)
    sys.stdout.write(f"Floor {floor:.4f} s, {ROUNDS} rounds\n")
    keep(
        "evolution",
        {
            "rounds": ROUNDS,
            "projects": PROJECTS,
            "floor": floor,
            "alone": one,
            "each_of_many": many,
            "times_the_floor": {way: times(one[way], floor) for way in WAYS},
            "each_of_many_times_the_floor": {way: times(many[way], floor) for way in WAYS},
            "of_stock": {
                command: {
                    "alone": round(one[f"dayone {command}"] / one[f"copier {command}"], 2),
                    "each_of_many": round(many[f"dayone {command}"] / many[f"copier {command}"], 2),
                }
                for command in ("update", "check-update")
            },
        },
    )


def times(spent: float, floor: float) -> float:
    return round(spent / floor, 1)


def measure_floor(template: Path, folder: Path) -> float:
    """What Jinja takes for the files of one project, with all compiling done before."""
    made = folder / "made" / "my-poc"
    floor = Floor.prepare(in_process(template, made), template, made)
    spent = []
    for turn in range(4 * ROUNDS):
        before = seconds(resource.RUSAGE_SELF)
        floor.write(folder / f"floor-{turn}")
        spent.append(seconds(resource.RUSAGE_SELF) - before)
    return median(spent)


def release(template: Path) -> None:
    """Tag the template as it is, and a version with a few lines more."""
    for tag in git(template, "tag").split():
        git(template, "tag", "--delete", tag)
    git(template, "tag", OLD)
    for name, lines in NEW_LINES.items():
        append(template / name, lines)
    git(template, "commit", "--quiet", "--all", "--message", NEW)
    git(template, "tag", NEW)


def make_project(template: Path, dest: Path) -> Path:
    """A project of the old version, with an edit of its people."""
    options = ["--defaults", "--quiet", "--vcs-ref", OLD, "-d", "project_name=My PoC"]
    run([str(SCRIPTS / "copier"), "copy", *options, str(template), str(dest)])
    append(dest / EDITED, OURS)
    git(dest, "init", "--quiet")
    git(dest, "add", "--all")
    git(dest, "commit", "--quiet", "--message", "Start")
    return dest


def measure_command(name: str, project: Path) -> float:
    """The command line for one project; the median of the rounds after one that warms up."""
    way = WAYS[name]
    command = [str(SCRIPTS / way.command[0]), *way.command[1:]]
    spent = []
    for _ in range(ROUNDS + 1):
        with copies(name, project, 1) as (copy,):
            spent.append(run([*command, str(copy)], way.exit_code))
    return median(spent[1:])


def measure_many(name: str, project: Path) -> float:
    """One process for all projects, with its start: what it takes for each of them."""
    with copies(name, project, PROJECTS) as projects:
        spent = run([sys.executable, __file__, name, *map(str, projects)])
    return round(spent / PROJECTS, 4)


def work_on(name: str, projects: list[str]) -> None:
    """What `measure_many` starts; stock Copier is left as it is."""
    way = WAYS[name]
    if way.stock:
        for project in projects:
            way.stock(Path(project))
        return
    with faster():
        for project in projects:
            code = app([*way.command[1:], project], standalone_mode=False)
            if (code or 0) != way.exit_code:
                sys.exit(f"{name} ended with {code}")


@contextmanager
def copies(name: str, project: Path, number: int) -> Iterator[list[Path]]:
    """The project some times over; afterwards it must have what an update brings, or not."""
    with tempfile.TemporaryDirectory(prefix="dayone-bench-") as folder:
        projects = [Path(folder, str(place), project.name) for place in range(number)]
        for copy in projects:
            copytree(project, copy, symlinks=True)
        yield projects
        for copy in projects:
            for file, line in (("README.md", "My PoC has a new line."), (EDITED, OURS)):
                expected = file == EDITED or name.endswith(" update")
                if (line in (copy / file).read_text(encoding="utf-8")) is not expected:
                    sys.exit(f"{name} did not do what it should have done to {file}")


def run(command: list[str], exit_code: int = 0) -> float:
    """Run a command, and return the processor seconds of it and of all that it started."""
    before = seconds(resource.RUSAGE_CHILDREN)
    env = environment(**WHO, TMPDIR=tempfile.gettempdir())
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if result.returncode != exit_code:
        sys.exit(f"{' '.join(command[:3])} ended with {result.returncode}: {result.stderr[-2000:]}")
    return seconds(resource.RUSAGE_CHILDREN) - before


def seconds(whose: int) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    env = environment(**WHO)
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    if sys.argv[1:]:
        work_on(sys.argv[1], sys.argv[2:])
    else:
        main()
