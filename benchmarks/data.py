"""What more rows cost: time and memory of a project's steps, beside pandas for two of them.

The sample of flights, repeated and jittered, goes through the project's commands: as the first of
many rows, as ten times and as a hundred times as many. Counted are the seconds of a command, the
processor seconds of it with all that it starts, and the memory of the largest of these processes.
Other numbers of rows can be named; their figures are printed and not kept.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from results import clone, environment, keep, table
from serving import run

ROWS = (300_000, 3_000_000, 30_000_000)
# Training looks at all rows at once.
MOST_TRAINED = 3_000_000
GIB = 1024.0  # in MiB
LIMITS = {"train": 4 * GIB}
LIMIT = 2 * GIB
HERE = Path(__file__).parent
NO_MEMORY = ("MemoryError", "bad_alloc", "allocate memory")
# Both wrote the same rows and, of predictions, the same numbers.
SAME = """
import sys, polars as pl
columns = ["flight_id", "probability"]
ours, theirs = (pl.read_parquet(path, columns=columns) for path in sys.argv[1:])
assert ours["flight_id"].equals(theirs["flight_id"])
assert (ours["probability"] - theirs["probability"]).abs().max() < 1e-5
"""


class Cost(NamedTuple):
    seconds: float
    processor_seconds: float
    peak_mib: float


def main() -> None:
    sizes = tuple(map(int, sys.argv[1:])) or ROWS
    with clone() as template, tempfile.TemporaryDirectory(prefix="dayone-bench-") as name:
        folder = Path(name)
        project = make_project(template, folder / "my-poc")
        pandas = install_pandas(project, folder / "pandas")
        ours, theirs = {}, {}
        for rows in sizes:
            source = make_rows(project, rows, folder / f"flights-{rows}")
            ours[rows] = measure_project(project, source, rows <= MOST_TRAINED)
            theirs[rows] = measure_pandas(project, pandas, source)
            shutil.rmtree(source.parent)
    figures = summary(ours, theirs)
    report(figures)
    if sizes == ROWS:
        keep("data", figures)


def make_project(template: Path, project: Path) -> Path:
    """A project of the defaults with a champion, which its sample has made."""
    made, there = template / ".venv", project / ".venv/bin"
    run([sys.executable, "-m", "venv", str(made)], template)
    run([str(made / "bin/pip"), "install", "--quiet", "."], template)
    run([str(made / "bin/dayone"), "new", str(project), "--defaults"], template)
    run([str(there / "uv"), "sync", "--quiet"], project)
    for command in (["my-poc", "ingest"], ["dvc", "repro"], ["my-poc", "register"]):
        run([str(there / command[0]), *command[1:]], project)
    return project


def install_pandas(project: Path, folder: Path) -> Path:
    """An environment with pandas, and what it needs for Parquet and the model."""
    uv = str(project / ".venv/bin/uv")
    run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], project)
    python = folder / "bin/python"
    packages = ["pandas", "pyarrow", "onnxruntime"]
    run([uv, "pip", "install", "--quiet", "--python", str(python), *packages], project)
    return python


def make_rows(project: Path, rows: int, folder: Path) -> Path:
    """A Parquet file of so many rows, with a CSV beside it."""
    folder.mkdir()
    source = folder / "flights.parquet"
    sample = str(project / "data/sample/flights.parquet")
    script = [str(project / ".venv/bin/python"), str(HERE / "many_flights.py"), sample]
    run([*script, str(rows), str(source), str(source.with_suffix(".csv"))], project)
    return source


def measure_project(project: Path, source: Path, train: bool) -> dict[str, Cost]:
    """The steps in their order; ingest twice from nothing, of a CSV and of what has types."""
    command = str(project / ".venv/bin/my-poc")
    text = source.with_suffix(".csv")
    scored = ["score", str(source), "--output", str(source.with_name("scored.parquet"))]
    steps = {"ingest of CSV": ["ingest"], "ingest of Parquet": ["ingest"]}
    steps |= {name: [name] for name in ("validate", "prepare")}
    steps |= {name: [name] for name in ("train", "staleness", "evaluate") if train}
    costs = {}
    for name, arguments in {**steps, "score": scored}.items():
        data = text if name == "ingest of CSV" else source
        if arguments == ["ingest"]:
            shutil.rmtree(project / "data/landing")
        costs[name] = measure([command, *arguments], project, DATA_SOURCE=str(data))
        sys.stderr.write(f"{name}: {costs[name]}\n")
        # What has landed is not to be on the disk for each version of it.
        shutil.rmtree(project / ".dvc/cache", ignore_errors=True)
    return costs


def measure_pandas(project: Path, python: Path, source: Path) -> dict[str, Cost | None]:
    """The same work in one piece; None for what the memory of the machine does not hold."""
    (model,) = (project / "storage/models/my-poc").glob("*/model.onnx")
    ingest = [str(python), str(HERE / "rivals/pandas_ingest.py")]
    score = [str(python), str(HERE / "rivals/pandas_score.py"), str(model.parent)]
    dest, scored = source.with_name("pandas.parquet"), source.with_name("scored-pandas.parquet")
    costs: dict[str, Cost | None] = {}
    for name, command in (
        ("ingest of CSV", [*ingest, str(source.with_suffix(".csv")), str(dest)]),
        ("ingest of Parquet", [*ingest, str(source), str(dest)]),
        ("score", [*score, str(source), str(scored)]),
    ):
        try:
            costs[name] = measure(command, project)
        except MemoryError:
            costs[name] = None
        sys.stderr.write(f"pandas, {name}: {costs[name]}\n")
        dest.unlink(missing_ok=True)
    if costs["score"]:
        ours = str(source.with_name("scored.parquet"))
        run([str(project / ".venv/bin/python"), "-c", SAME, ours, str(scored)], project)
    return costs


def measure(command: list[str], folder: Path, **env: str) -> Cost:
    """Run a command; raise MemoryError when there was not enough for it."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        start = time.perf_counter()
        path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(PATH=path, **env),
            stdout=said,
            stderr=subprocess.STDOUT,
            preexec_fn=first_to_go,
        )
        # The only call that tells of one process what it and those that it started have used.
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        if process.returncode != 0:
            text = said.read()
            if process.returncode == -9 or any(word in text for word in NO_MEMORY):
                raise MemoryError(f"not enough for {' '.join(command)}")
            sys.exit(f"{' '.join(command)} ended with {process.returncode}: {text[-2000:]}")
    peak = used.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    return Cost(round(seconds, 2), round(used.ru_utime + used.ru_stime, 2), round(peak))


def first_to_go() -> None:
    """Let the system end this process, and no other, when memory runs out."""
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000", encoding="utf-8")


def summary(
    ours: dict[int, dict[str, Cost]], theirs: dict[int, dict[str, Cost | None]]
) -> dict[str, Any]:
    return {
        "steps": {str(rows): figures(rows, costs) for rows, costs in ours.items()},
        "pandas": {str(rows): figures(rows, costs) for rows, costs in theirs.items()},
        "to_pandas": {
            str(rows): {
                name: times(ours[rows][name], cost) if cost else None
                for name, cost in costs.items()
            }
            for rows, costs in theirs.items()
        },
        "time_of_a_row_to_that_of_the_size_before": {
            str(rows): {
                name: times(cost, ours[before][name], rows / before)
                for name, cost in ours[rows].items()
                if name in ours[before]
            }
            for before, rows in zip(list(ours), list(ours)[1:], strict=False)
        },
        "over_the_limit_of_memory": [
            f"{name} of {rows} rows"
            for rows, costs in ours.items()
            for name, cost in costs.items()
            if cost.peak_mib > LIMITS.get(name, LIMIT)
        ],
    }


def figures(rows: int, costs: dict[str, Cost] | dict[str, Cost | None]) -> dict[str, Any]:
    return {
        name: cost and {**cost._asdict(), "rows_per_second": round(rows / cost.seconds)}
        for name, cost in costs.items()
    }


def times(cost: Cost, other: Cost, share: float = 1.0) -> dict[str, float]:
    """How many times the seconds and, where the rows are the same, the memory of another."""
    found = {
        "seconds": round(cost.seconds / other.seconds / share, 2),
        "processor_seconds": round(cost.processor_seconds / other.processor_seconds / share, 2),
    }
    return found if share != 1 else found | {"peak_mib": round(cost.peak_mib / other.peak_mib, 2)}


def report(found: dict[str, Any]) -> None:
    head = ["Rows", "Seconds", "Processor s", "Rows/s", "Peak MiB"]
    for title, section in (("Project", found["steps"]), ("pandas", found["pandas"])):
        rows = [
            [name, f"{int(size):,}", *shown(costs[name])]
            for name in next(iter(section.values()))
            for size, costs in section.items()
            if name in costs
        ]
        table([title, *head], rows)
    for size, ratios in found["to_pandas"].items():
        sys.stdout.write(f"Of what pandas takes for {int(size):,} rows: {ratios}\n")
    for size, ratios in found["time_of_a_row_to_that_of_the_size_before"].items():
        sys.stdout.write(f"A row of {int(size):,} to one of the size before: {ratios}\n")
    sys.stdout.write(f"Over the limit of memory: {found['over_the_limit_of_memory'] or 'none'}\n")


def shown(cost: dict[str, float] | None) -> Sequence[str]:
    if cost is None:
        return ["out of memory", "", "", ""]
    return [
        *(f"{cost[key]:.1f}" for key in ("seconds", "processor_seconds")),
        *(f"{cost[key]:,.0f}" for key in ("rows_per_second", "peak_mib")),
    ]


if __name__ == "__main__":
    main()
