"""The style of an emitted project, by its own settings."""

import subprocess
import sys
from pathlib import Path


def check_style(project: Path) -> None:
    """Fail with what ruff's linter or formatter would change."""
    for command in (["check"], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache"],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
