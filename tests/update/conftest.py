"""The chain of versions for the tests of this folder, and what they tried, said at the run's end.

A test says what it tried by `record_property`, which also gets through from other processes:
`version_pair` ("v1.0.0 v1.1.0"), `edit` (one kind) and `kills` (a number).
"""

import pytest

from .cases import SEED
from .projects import Templates


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Templates:
    own = tmp_path_factory.getbasetemp()
    shared = (own if worker_id == "master" else own.parent) / "chain"
    shared.mkdir(exist_ok=True)
    return Templates(shared)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tried = [
        tried
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call"
        for tried in report.user_properties
    ]
    pairs = {value for name, value in tried if name == "version_pair"}
    edits = sum(name == "edit" for name, _ in tried)
    kills = sum(int(str(value)) for name, value in tried if name == "kills")
    if tried:
        terminalreporter.write_line(
            f"update: tried {len(pairs)} version pairs, {edits} edits, {kills} kills (seed {SEED})"
        )
