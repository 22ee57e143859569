"""Runs a hook of the template and passes on what it reports."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from dayone.errors import DayoneError, ProjectStaysError, RefusedError
from dayone.project import environment, last_line

Event = dict[str, Any]


def run_hook(
    code: str,
    project: Path,
    settings: dict[str, Any],
    report: Callable[[Event], None],
    name: str = "hook",
) -> None:
    """Run a hook's source on a project: settings go in as JSON, and events come out one a line."""
    with tempfile.TemporaryDirectory(prefix="dayone-hook-") as folder:
        script = Path(folder, "hook.py")
        script.write_text(code, encoding="utf-8")
        stderr = Path(folder, "stderr")
        with stderr.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [sys.executable, "-I", str(script), str(project)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(),
                text=True,
                encoding="utf-8",
            )
        with process:
            last = _converse(process, settings, report, name)
        if process.returncode == 0:
            return
        if last["event"] == "failed":
            raise ProjectStaysError(last["text"], last.get("commands", []), project)
        if last["event"] == "refused":
            raise RefusedError(last["text"], last.get("code", 1))
        raise DayoneError(f"The template's {name} failed: {last_line(stderr.read_text('utf-8'))}")


def _converse(
    process: subprocess.Popen[str],
    settings: dict[str, Any],
    report: Callable[[Event], None],
    name: str,
) -> Event:
    """Give the hook its settings, report its events, and return the last of them."""
    stdin, stdout = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
    with suppress(BrokenPipeError):  # a hook that broke at once did not wait for them
        json.dump(settings, stdin)
        stdin.close()
    event: Event = {"event": "started"}
    for line in stdout:
        event = _event(line, name)
        report(event)
    return event


def _event(line: str, name: str) -> Event:
    with suppress(ValueError):
        event = json.loads(line)
        if isinstance(event, dict) and {"event", "text"} <= event.keys():
            return event
    raise DayoneError(f"The template's {name} prints what is no event: {line.strip()}")
