"""Every emitted project passes its own checks and runs its whole loop, by its README's lines."""

import json
import re
from pathlib import Path

import pytest
import yaml

from .conftest import ANSWERS, new_project, run

# Bare `nox` has minutes for two projects; `nox -s projects` takes the others.
FIRST = ("sample", "wine")

DRILL = re.compile(
    r"requests: no drift.*the world changes.*requests: drift in.*: accepted.*promoted"
    r".*meanwhile, none failed.*requests: no drift",
    re.DOTALL,
)


def readme_lines(project: Path) -> tuple[str, str]:
    """The line that runs the loop, and the line that runs the tests."""
    readme = (project / "README.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in re.findall(r"^.*-m venv .*nox.*$", readme, re.MULTILINE)]
    loop, tests = lines
    return loop, tests


def marks(name: str) -> list[pytest.MarkDecorator]:
    more = [] if name in FIRST else [pytest.mark.more]
    return [pytest.mark.xdist_group(name), *more]


@pytest.fixture(params=[pytest.param(name, marks=marks(name)) for name in ANSWERS])
def project(request: pytest.FixtureRequest, projects: Path) -> Path:
    return new_project(request.param, projects)


def test_loop_ends_with_predictions(project: Path) -> None:
    said = run(project, readme_lines(project)[0])
    assert "is the champion" in said
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert ('"prediction":' in said) == ("realtime" in answers["serving"])
    assert bool(DRILL.search(said)) == ("realtime" in answers["serving"]), said[-3000:]
    assert (project / "data/predictions.parquet").exists() == ("batch" in answers["serving"])
    assert "Where to look" in said
    verdict = next(project.glob("models/*/verdict.json"))
    assert json.loads(verdict.read_text(encoding="utf-8"))["passed"]


def test_own_checks_pass(project: Path) -> None:
    said = run(project, readme_lines(project)[1])
    for session in ("lint", "types", "tests"):
        assert f"Session {session} was successful" in said
    assert not re.search(r"\d+ (skipped|xfailed|deselected)", said), said[-3000:]


def test_loop_leaves_only_what_it_says_to_commit(project: Path) -> None:
    changed = run(project, "git status --porcelain").split()[1::2]
    assert {name.partition("/")[0] for name in changed} <= {"data", "docs", "dvc.lock", "reports"}
