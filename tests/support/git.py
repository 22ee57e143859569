"""git for tests: real repositories in temporary folders."""

import os
import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str, **env: str) -> str:
    """Run git in a folder and return what it printed."""
    result = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def commit_all(folder: Path, message: str = "Change") -> str:
    """Commit everything in a folder, starting a repository where there is none."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")
