"""A project that is installed, and the servers that it reads from and writes to.

    place = install(folder / "my-poc", ["cloud=aws", "data_sources=object_store"])
    place.run("my-poc ingest", SQL_URL=url)

`copy` gives another folder of the same project, as it is, with the environment of the first.
"""

import json
import select
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from project.conftest import environment, generate, run
from support import ROOT

PROGRAMS = ROOT / "tests/data/programs"
SAMPLE = ROOT / "template/data/sample/flights.parquet"
# What a copy of a project does not begin with.
MADE = (".venv", "cache", "landing", "valid", "quarantine", "prepared", "models", "storage", "var")
PATIENCE = 180.0


@dataclass
class Workplace:
    folder: Path
    venv: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.venv.parent.name

    def environ(self, **more: str) -> dict[str, str]:
        """Beside what the servers need: a copy's own code goes before the installed one."""
        return {"PYTHONPATH": str(self.folder / "src"), **self.environment, **more}

    def run(self, line: str, expect: int = 0, **more: str) -> str:
        """Run a shell line with the project's commands on the PATH."""
        line = f'PATH="{self.venv}/bin:$PATH"; {line}'
        return run(self.folder, line, expect, **self.environ(**more))

    def program(self, name: str, *arguments: str | Path) -> str:
        """Run one of `tests/data/programs` with what the project has installed."""
        words = " ".join(f"'{word}'" for word in (PROGRAMS / name, *arguments))
        return self.run(f"python {words}")

    def copy(self, folder: Path) -> "Workplace":
        ignored = shutil.ignore_patterns(*MADE)
        shutil.copytree(self.folder, folder, symlinks=True, ignore=ignored)
        return Workplace(folder, self.venv, dict(self.environment))

    def source(self) -> Path:
        """The folder of the project's package."""
        [found] = self.folder.glob("src/*/")
        return found


def install(folder: Path, answers: Iterable[str], group: str = "integration") -> Workplace:
    """Make a project and install it, with the servers that it tests itself with."""
    project = generate(folder, answers)
    sync = f".venv/bin/uv sync --quiet --group {group}"
    run(project, f"python3 -m venv .venv && .venv/bin/pip install --quiet uv && {sync}")
    return Workplace(project, project / ".venv")


@dataclass
class Held:
    """A server in a process of its own, and where it is."""

    process: subprocess.Popen[str]
    environment: dict[str, str]

    def tell(self, **what: Any) -> Any:
        assert self.process.stdin
        print(json.dumps(what), file=self.process.stdin, flush=True)
        return json.loads(_line(self.process))


@contextmanager
def held(place: Workplace, name: str, folder: Path) -> Iterator[Held]:
    """One of the project's own servers; ``folder`` is new, and for what it writes."""
    folder.mkdir()
    with (folder / "stderr").open("wb") as log:
        process = subprocess.Popen(
            [place.venv / "bin/python", PROGRAMS / "hold.py", name, folder],
            cwd=place.folder,
            env=environment(**place.environ()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        said = _line(process)
        assert said, (folder / "stderr").read_text(encoding="utf-8")[-3000:]
        yield Held(process, json.loads(said))
    finally:
        end(process)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    return process.stdout.readline() if ready else ""


def end(process: subprocess.Popen[str]) -> None:
    """End a server whose life is its input's, or that obeys SIGTERM."""
    if process.stdin:
        process.stdin.close()
    else:
        process.terminate()
    try:
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()


def flights() -> pl.DataFrame:
    """The sample, in the order of its time."""
    return pl.read_parquet(SAMPLE).sort("sched_dep", "flight_id")


def landed(place: Workplace, dataset: str) -> pl.DataFrame:
    """What the manifest says has landed, read without the project's own code."""
    folder = place.folder / "data/landing" / dataset
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    tables = [pl.read_parquet(folder / part["path"]) for part in manifest["parts"]]
    assert [table.height for table in tables] == [part["rows"] for part in manifest["parts"]]
    return pl.concat(tables, how="diagonal_relaxed")
