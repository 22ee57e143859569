"""Where the figures are kept: one JSON file, with the day, the commit and the machine."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results.json")


@contextmanager
def clone() -> Iterator[Path]:
    """The commit that is checked out, in a clone as a person has it."""
    with tempfile.TemporaryDirectory(prefix="dayone-bench-") as folder:
        template = Path(folder, "dayone")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(template)], check=True)
        yield template


def environment(**more: str) -> dict[str, str]:
    """As a person has it: no virtual environment that is active, and bytecode is kept."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "UV_PYTHON", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in unwanted} | more


def median(seconds: Sequence[float]) -> float:
    return round(statistics.median(seconds), 4)


def keep(section: str, figures: dict[str, Any]) -> None:
    """Replace one section of the results."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results[section] = {**facts(), **figures}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def facts() -> dict[str, Any]:
    command = ["git", "rev-parse", "--short", "HEAD"]
    head = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": head.stdout.strip(),
        "cores": os.cpu_count(),
        "processor": processor(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor() -> str:
    """The name that Linux has for it, else what Python has."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns, the first to the left and the others to the right."""
    texts = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(head))]
    for first, *others in texts:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        sys.stdout.write("  ".join([first.ljust(widths[0]), *cells]) + "\n")
