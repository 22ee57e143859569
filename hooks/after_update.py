"""What an update of a project needs besides its files: a fresh lock, then a look whether it holds.

dayone runs it twice, as `python -I after_update.py PROJECT` with JSON on stdin: with the phase
`commit` in the worktree where the update's commit is made, then with the phase `project` in the
project that has it. It reports events, one JSON object a line.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKS = ("lint", "types")


def main() -> int:
    project, settings = Path(sys.argv[1]), json.load(sys.stdin)
    phases = {"commit": lock, "project": check}
    phases[settings["phase"]](project, settings)
    return 0


def lock(project: Path, settings: dict[str, Any]) -> None:
    """Bring uv.lock up to date; without the package index the update goes on without it."""
    if not (project / "uv.lock").exists():
        return
    report("doing", "Locking packages")
    result = start([settings["uv"], "lock", "--quiet"], project)
    if result.returncode:
        reason = last_line(result.stderr)
        report("warning", f"uv.lock is as it was: {reason} Later: {settings['typed_uv']} lock")


def check(project: Path, settings: dict[str, Any]) -> None:
    """The project's own quick checks, by its own task list."""
    if not (project / "uv.lock").exists():
        report("warning", f"The checks need uv.lock: {settings['typed_uv']} lock")
        return
    report("doing", "Installing packages")
    installed = start([settings["uv"], "sync", "--quiet", "--locked"], project)
    if installed.returncode:
        reason = last_line(installed.stderr)
        report("warning", f"The checks were not run, because packages are missing: {reason}")
        return
    for name in CHECKS:
        report("doing", f"Checking: nox -s {name}")
        done = start([settings["uv"], "run", "--no-sync", "nox", "-s", name], project)
        output = "" if done.returncode == 0 else (done.stdout + done.stderr).strip()
        report("checked", name, passed=done.returncode == 0, output=output)


def start(command: list[str], project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no reason given."


def report(event: str, text: str, **more: Any) -> None:
    print(json.dumps({"event": event, "text": text, **more}), flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
