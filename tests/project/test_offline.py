"""Once installed, the loop and the server need no network: they run where there is only loopback.

`unshare` wants root, so this is not part of the bare `nox`.
"""

import subprocess
import sys
from pathlib import Path

from .conftest import new_project, run

ALONE = "unshare --net bash -euc 'ip link set lo up; UV_OFFLINE=1 .venv/bin/uv run nox -s demo'"
# Only looks for a way: nothing is sent, so nobody need be at the address.
REACH = 'import socket; socket.socket(type=socket.SOCK_DGRAM).connect(("192.0.2.1", 9))'


def test_loop_and_server_run_with_loopback_alone(projects: Path) -> None:
    project = new_project("sample", projects)
    run(project, "python3 -m venv .venv && .venv/bin/pip install uv && .venv/bin/uv sync")
    assert '"prediction":' in run(project, ALONE)


def test_there_is_no_way_out() -> None:
    """The negative control: no address outside can be reached from in there."""
    command = ["unshare", "--net", sys.executable, "-c", REACH]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Network is unreachable" in tried.stderr
