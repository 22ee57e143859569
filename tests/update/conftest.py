"""The chain of versions for the tests of this folder, and what they tried, said at the run's end.

A test says what it tried by `record_property`, which also gets through from other processes:
`version_pair` ("v1.0.0 v1.1.0"), `edit` (one kind), `kills` and `lives` (numbers). With
DAYONE_RECORD, as `nox -s full` sets it, the page that quotes it is written.
"""

import os
import time
from datetime import UTC, datetime

import pytest

from support import ROOT
from support.git import git

from .cases import SEED
from .projects import Templates

RECORD = ROOT / "docs/explanation/what-is-proved.md"
BEGIN, END = "<!-- full:begin -->\n", "<!-- full:end -->\n"
STARTED = pytest.StashKey[float]()


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Templates:
    own = tmp_path_factory.getbasetemp()
    shared = (own if worker_id == "master" else own.parent) / "chain"
    shared.mkdir(exist_ok=True)
    return Templates(shared)


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[STARTED] = time.monotonic()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    said = tried(terminalreporter)
    if said:
        terminalreporter.write_line(f"update: tried {said} (seed {SEED})")
    if said and "DAYONE_RECORD" in os.environ:
        minutes = (time.monotonic() - terminalreporter.config.stash[STARTED]) / 60
        counts = [f"{len(terminalreporter.getreports(end))} {end}" for end in ("passed", "failed")]
        write_record(f"{', '.join(counts)} in {minutes:.0f} minutes, having tried {said}.")


def tried(terminalreporter: pytest.TerminalReporter) -> str:
    properties = [
        one
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call"
        for one in report.user_properties
    ]
    pairs = {value for name, value in properties if name == "version_pair"}
    edits = sum(name == "edit" for name, _ in properties)
    kills, lives = (
        sum(int(str(value)) for name, value in properties if name == wanted)
        for wanted in ("kills", "lives")
    )
    counts = {"version pairs": len(pairs), "edits": edits, "kills": kills, "random lives": lives}
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def write_record(said: str) -> None:
    """What a run of everything came to, with its date, into the page that quotes it."""
    commit = git(ROOT, "rev-parse", "--short", "HEAD")
    text = RECORD.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    line = f"The last one, on {datetime.now(UTC):%Y-%m-%d} at commit `{commit}`: {said}\n"
    RECORD.write_text(f"{before}{BEGIN}{line}{END}{after}", encoding="utf-8")
