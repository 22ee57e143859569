"""Emitted projects, as rendered and as images, made once for all tests; the drills' timelines.

The timelines are printed at the run's end. With DAYONE_RECORD, as `nox -s drills` sets it, the page
that quotes them is written.
"""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from project.conftest import new_project, run
from support import ROOT
from support.containers import World
from support.images import Workshop, stand_ins
from support.rendering import render
from support.site import Site, open_site

RECORD = ROOT / "docs/how-to/watch-and-heal.md"
BEGIN, END = "<!-- drills:begin -->\n", "<!-- drills:end -->\n"

SERVING = {"both": ["realtime", "batch"], "batch": ["batch"], "realtime": ["realtime"]}


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("projects")
    return {name: render({"serving": serving}, folder / name) for name, serving in SERVING.items()}


@pytest.fixture(params=SERVING)
def project(request: pytest.FixtureRequest, projects: dict[str, Path]) -> Path:
    return projects[request.param]


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with World() as world:
        stand_ins(world)
        yield world


@pytest.fixture(scope="session")
def workshop(world: World, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(world, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def retrained(workshop: Workshop) -> tuple[Path, str]:
    """A folder with storage/ and var/ in which `retrain` has run in a container, and what it said.

    The container has no git, no network and no right to write elsewhere.
    """
    folder = workshop.folder / "retrained"
    code, said = workshop.run_job("both", folder, "retrain", "--reason", "the first model")
    assert code == 0, said
    return folder, said


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the loop has run, and its first model serves."""
    project = new_project("sample", tmp_path_factory.mktemp("drills"))
    run(project, "python3 -m venv .venv && .venv/bin/pip install uv && .venv/bin/uv sync")
    loop = f"{project.name} ingest && dvc repro && {project.name} register"
    run(project, f". .venv/bin/activate && {loop}")
    return project


@pytest.fixture
def site(made: Path, tmp_path: Path, record_property: Callable[[str, object], None]) -> Site:
    return open_site(made, tmp_path / "site", partial(record_property, "timeline"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    said = timelines(terminalreporter)
    if said:
        terminalreporter.write_line(said)
    if said and "DAYONE_RECORD" in os.environ:
        text = RECORD.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        day = f"On {datetime.now(UTC):%Y-%m-%d}, with {os.cpu_count()} cores:"
        block = f"{BEGIN}{day}\n\n```text\n{said}\n```\n{END}"
        RECORD.write_text(before + block + after, encoding="utf-8")


def timelines(terminalreporter: pytest.TerminalReporter) -> str:
    """What each drill said, under its name."""
    told = {
        report.nodeid: [str(line) for name, line in report.user_properties if name == "timeline"]
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call"
    }
    return "\n\n".join(
        "\n".join([node.split("::test_")[-1].replace("_", " "), *lines])
        for node, lines in told.items()
        if lines
    )
