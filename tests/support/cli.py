"""The command line as a person calls it: a process of its own."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

COMMAND = (sys.executable, "-m", "dayone")
# Makes standard input the terminal that sends Ctrl-C, as a shell does.
ON_TERMINAL = """
import fcntl, runpy, signal, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
# A background job, as CI may be, has Ctrl-C ignored, and hands that on to what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("dayone", run_name="__main__")
"""


class Result(NamedTuple):
    code: int
    out: str
    err: str


def dayone(*arguments: str | Path, cwd: Path | None = None, **env: str) -> Result:
    """Run dayone without a terminal."""
    result = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stderr, result.stderr
    return Result(result.returncode, result.stdout, result.stderr)


def talk(arguments: list[str | Path], *, keys: list[tuple[str, str]], seconds: int = 60) -> Result:
    """Run dayone on a terminal and type `keys`, each as soon as its text has appeared."""
    terminal, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, *map(str, arguments)],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    waiting = list(keys)
    seen, news = "", ""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 0.1)
        if ready:
            try:
                chunk = os.read(terminal, 4096).decode(errors="replace")
            except OSError:  # the other end is closed
                break
            seen, news = seen + chunk, news + chunk
        if waiting and waiting[0][0] in news:
            time.sleep(0.3)  # a prompt shows its text before it listens
            os.write(terminal, waiting.pop(0)[1].encode())
            news = ""
    else:
        process.kill()
    os.close(terminal)
    return Result(process.wait(), seen, "")
