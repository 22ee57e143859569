"""What making a project costs, against the floor: the same files from one warm Jinja environment.

Every round makes the project once in each way, so that all ways meet the same machine. Medians.
"""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from copier import Settings, run_copy
from results import clone, environment, keep, median, table

ROUNDS = 9
DATA = {"project_name": "My PoC"}
SCRIPTS = Path(sysconfig.get_path("scripts"))


def main() -> None:
    with clone() as template, tempfile.TemporaryDirectory(prefix="dayone-bench-") as folder:
        made = Path(folder, "warm", "my-poc")
        worker = in_process(template, made)
        floor = Floor.prepare(worker, template, made)
        ways: dict[str, Callable[[Path], Any]] = {
            "floor": floor.write,
            "copier, in process": lambda dest: in_process(template, dest),
            "copier copy": lambda dest: copier_copy(template, dest),
            "dayone new": lambda dest: dayone_new(template, dest),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(ROUNDS + 1):
            for name, way in ways.items():
                dest = Path(folder, f"{name}-{turn}", "my-poc")
                dest.parent.mkdir()
                start = time.perf_counter()
                way(dest)
                spent = time.perf_counter() - start
                if turn:  # the first round warms the caches of the disk
                    seconds[name].append(spent)
                if name == "floor":
                    compare(made, dest)
                shutil.rmtree(dest.parent)
        report(seconds, contents(made))


def report(seconds: dict[str, list[float]], files: dict[str, bytes]) -> None:
    medians = {name: median(times) for name, times in seconds.items()}
    ratios = {name: round(spent / medians["floor"], 1) for name, spent in medians.items()}
    table(
        ["Way", "Seconds", "Times the floor"],
        [[name, f"{spent:.3f}", f"{ratios[name]:.1f}"] for name, spent in medians.items()],
    )
    size = sum(map(len, files.values()))
    sys.stdout.write(f"{len(files)} files, {size:,} bytes, {ROUNDS} rounds\n")
    keep(
        "generation",
        {
            "rounds": ROUNDS,
            "seconds": medians,
            "times_the_floor": ratios,
            "dayone_new_to_copier_copy": round(medians["dayone new"] / medians["copier copy"], 2),
            "files": len(files),
            "bytes": size,
        },
    )


class Source(NamedTuple):
    """One emitted file: the compiled templates of its path and text, or the file to copy."""

    path: Any
    text: Any
    file: Path
    mode: int


class Floor(NamedTuple):
    """What any generator of these files must at least do, with all compiling done before."""

    context: dict[str, Any]
    sources: list[Source]

    @classmethod
    def prepare(cls, worker: Any, template: Path, made: Path) -> "Floor":
        """Take over Copier's own environment and answers, and compile each emitted file once."""
        environment, context = worker.jinja_env, dict(worker._render_context())
        sources = []
        for file in sorted((template / "template").rglob("*")):
            name = str(file.relative_to(template / "template"))
            path = environment.from_string(name.removesuffix(".jinja"))
            if file.is_file() and (made / path.render(context)).is_file():
                is_template = name.endswith(".jinja")
                text = environment.from_string(file.read_text("utf-8")) if is_template else None
                sources.append(Source(path, text, file, file.stat().st_mode))
        return cls(context, sources)

    def write(self, dest: Path) -> None:
        for source in self.sources:
            path = dest / source.path.render(self.context)
            path.parent.mkdir(parents=True, exist_ok=True)
            if source.text is None:
                path.write_bytes(source.file.read_bytes())
            else:
                path.write_text(source.text.render(self.context), encoding="utf-8")
            path.chmod(source.mode)


def in_process(template: Path, dest: Path) -> Any:
    return run_copy(
        *(str(template), dest),
        data=DATA, vcs_ref="HEAD", defaults=True, quiet=True, settings=Settings(),
    )  # fmt: skip


def copier_copy(template: Path, dest: Path) -> None:
    options = ["--defaults", "--quiet", "--vcs-ref", "HEAD", *answers()]
    run("copier", "copy", *options, str(template), str(dest))


def dayone_new(template: Path, dest: Path) -> None:
    options = ["--defaults", "--no-hooks", "--template", str(template), *answers()]
    run("dayone", "new", str(dest), *options)


def answers() -> list[str]:
    return [part for name, value in DATA.items() for part in ("-d", f"{name}={value}")]


def run(command: str, *arguments: str) -> None:
    subprocess.run(
        [str(SCRIPTS / command), *arguments], check=True, capture_output=True, env=environment()
    )


def compare(made: Path, floor: Path) -> None:
    """The floor counts only if it wrote the same bytes."""
    expected, found = contents(made), contents(floor)
    if expected != found:
        differing = sorted(
            path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path)
        )
        sys.exit(f"the floor does not write what Copier writes: {', '.join(differing)}")


def contents(project: Path) -> dict[str, bytes]:
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file()
    }


if __name__ == "__main__":
    main()
