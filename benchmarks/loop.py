"""What a person waits for: the README's line from a clone to a served prediction, step by step.

Warm: pip and uv have the packages from an earlier run. Cold: both start with nothing and fetch
everything from the package index. Then what the project's groups install. Medians of the rounds.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from results import clone, environment, keep, median, table

WARM, COLD = 3, 3
GROUPS = {
    "serve": ["--no-default-groups", "--group", "serve"],
    "train": ["--no-default-groups", "--group", "train"],
    "all": [],
}


class Run(NamedTuple):
    """Seconds from the start: until dayone is installed, until a prediction, until the end."""

    installed: float
    predicted: float
    ended: float
    steps: dict[str, float]


def main() -> None:
    with clone() as template, tempfile.TemporaryDirectory(prefix="dayone-bench-") as folder:
        projects = Path(folder)
        measure(template, projects / "first", environment())  # fills the caches
        warm = [measure(template, projects / f"warm-{n}", environment()) for n in range(WARM)]
        cold = [measure_cold(template, projects / f"cold-{n}") for n in range(COLD)]
        report(warm, cold, {name: install(projects / "first", name) for name in GROUPS})


def measure_cold(template: Path, dest: Path) -> Run:
    with tempfile.TemporaryDirectory(prefix="dayone-cache-") as cache:
        caches = {"UV_CACHE_DIR": f"{cache}/uv", "PIP_CACHE_DIR": f"{cache}/pip"}
        return measure(template, dest, environment(**caches))


def measure(template: Path, dest: Path, env: dict[str, str]) -> Run:
    """Run the README's first line, and read the times from what it prints."""
    shutil.rmtree(template / ".venv", ignore_errors=True)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=template, env=env, check=True)
    pip = [".venv/bin/pip", "install", "."]
    subprocess.run(pip, cwd=template, env=env, check=True, capture_output=True)
    installed = time.perf_counter() - start
    command = [".venv/bin/dayone", "new", str(dest), "--defaults", "--run"]
    process = subprocess.Popen(
        command, cwd=template, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines, predicted = [], 0.0
    for line in process.stdout or ():
        lines.append(line)
        if '"prediction":' in line:
            predicted = time.perf_counter() - start
    if process.wait() != 0 or not predicted:
        sys.exit("".join(lines[-30:]) + "the loop did not end well")
    return Run(installed, predicted, time.perf_counter() - start, steps(lines))


def steps(lines: list[str]) -> dict[str, float]:
    """The table that the loop ends with."""
    after = "".join(lines).partition("Step  ")[2].partition("Where to look")[0]
    found = re.findall(r"^(\w[\w ]*?) +(\d+\.\d)$", after, re.MULTILINE)
    return {name: float(seconds) for name, seconds in found}


def install(project: Path, group: str) -> dict[str, float]:
    """The packages of a group with those of every group, and what they take on disk."""
    with tempfile.TemporaryDirectory(prefix="dayone-group-") as folder:
        uv = project / ".venv/bin/uv"
        command = [str(uv), "sync", "--frozen", "--quiet", "--no-install-project", *GROUPS[group]]
        env = environment(UV_PROJECT_ENVIRONMENT=folder)
        subprocess.run(command, cwd=project, env=env, check=True)
        (packages,) = Path(folder, "lib").glob("python*/site-packages")
        size = sum(
            path.lstat().st_size
            for parent, _, names in os.walk(packages)
            for path in (Path(parent, name) for name in names)
        )
        return {
            "packages": sum(1 for _ in packages.glob("*.dist-info")),
            "megabytes": round(size / 1e6),
        }


def report(warm: list[Run], cold: list[Run], groups: dict[str, dict[str, float]]) -> None:
    figures = {"warm": summary(warm), "cold": summary(cold)}
    names = list(figures["warm"]["steps"])
    table(
        ["Seconds", "Warm", "Cold"],
        [
            [label, *(f"{figures[cache][key]:.1f}" for cache in figures)]
            for label, key in (
                ("dayone installed", "installed"),
                ("first prediction", "predicted"),
                ("loop ended", "ended"),
            )
        ]
        + [
            [f"  {name}", *(f"{figures[cache]['steps'][name]:.1f}" for cache in figures)]
            for name in names
        ],
    )
    table(
        ["Group", "Packages", "MB"],
        [[name, group["packages"], group["megabytes"]] for name, group in groups.items()],
    )
    keep("loop", {**figures, "groups": groups})


def summary(runs: list[Run]) -> dict[str, Any]:
    return {
        "rounds": len(runs),
        "installed": median([run.installed for run in runs]),
        "predicted": median([run.predicted for run in runs]),
        "ended": median([run.ended for run in runs]),
        "steps": {name: median([run.steps[name] for run in runs]) for name in runs[0].steps},
    }


if __name__ == "__main__":
    main()
