"""Once installed, the loop and the server need no network: they run where there is only loopback.

`unshare` wants root, so this is not part of the bare `nox`.
"""

from pathlib import Path

from .conftest import new_project, run

ALONE = "unshare --net bash -euc 'ip link set lo up; UV_OFFLINE=1 .venv/bin/uv run nox -s demo'"


def test_loop_and_server_run_with_loopback_alone(projects: Path) -> None:
    project = new_project("sample", projects)
    run(project, "python3 -m venv .venv && .venv/bin/pip install uv && .venv/bin/uv sync")
    assert '"prediction":' in run(project, ALONE)


def test_there_is_no_way_out(projects: Path) -> None:
    """The negative control: inside, the package index is out of reach."""
    project = new_project("sample", projects)
    reach = "python3 -m venv .alone && .alone/bin/pip download --no-deps --retries 0 idna"
    run(project, f"unshare --net bash -euc 'ip link set lo up; {reach}'", expect=1)
