"""Emitted projects, installed and run as a person would: the sample, and tables of each task."""

import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from sklearn import datasets

from support.cli import dayone
from support.rendering import snapshot

# Every project takes another answer, so that each choice is run as well as rendered.
ANSWERS = {
    "sample": [],
    "breast_cancer": ["python_version=3.13"],
    "wine": ["serving=batch"],
    "diabetes": ["serving=realtime", "python_version=3.11"],
}
# What a machine with only Python and git has on its PATH.
BARE_PATH = os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin"])


def write_table(name: str, path: Path) -> Path:
    """One of scikit-learn's small data sets as CSV; none of them has a time column."""
    bunch = getattr(datasets, f"load_{name}")()
    header = ",".join([*bunch.feature_names, "target"])
    rows = [
        ",".join(map(repr, [*map(float, row), target.item()]))
        for row, target in zip(bunch.data, bunch.target, strict=True)
    ]
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@cache
def new_project(name: str, folder: Path) -> Path:
    """A project made by `dayone new` from the work tree's template."""
    own = []
    if name != "sample":
        own = ["--table", write_table(name, folder / f"{name}.csv"), "--target", "target"]
    return generate(folder / f"my-{name.replace('_', '-')}", ANSWERS[name], *own)


def generate(project: Path, answers: Iterable[str], *own: str | Path) -> Path:
    """Let `dayone new` make a project from the work tree's template, with these answers."""
    template = snapshot()
    given = [part for answer in answers for part in ("--data", answer)]
    made = dayone(
        "new", project, "--template", template.repository, "--vcs-ref", template.commit,
        "--defaults", *given, *own,
    )  # fmt: skip
    assert made.code == 0, made.err
    return project


def environment(**own: str) -> dict[str, str]:
    """Nothing on the PATH but Python and git, the package index, and what is said besides."""
    python = Path(sys.executable).resolve().parent
    known = {
        "HOME": os.environ["HOME"],
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join([str(python), BARE_PATH]),
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))},
        **{name: value for name, value in os.environ.items() if name.startswith(("SSL_", "GIT_"))},
    }
    known.pop("UV_PROJECT_ENVIRONMENT", None)
    return known | own


def run(project: Path, line: str, expect: int = 0, **own: str) -> str:
    """Run a shell line in a project, with nothing on the PATH but Python and git.

    ``own`` is what the environment says besides.
    """
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=project,
        env=environment(**own),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == expect, said[-6000:]
    assert "Traceback" not in said, said[-6000:]
    return said


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("projects")
