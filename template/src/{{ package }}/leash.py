"""Commands that must not outlive whoever started them, and not run for ever.

A command runs in a process group of its own, under this file run as a script. When the starter is
gone, even by SIGKILL, the script's standard input ends and it kills the group. So no step of a
retraining that was killed can go on and change what serves.
"""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KEPT_LINES = 50


@dataclass(frozen=True)
class Ended:
    """How a command ended. ``code`` is None when it took too long; ``lines`` are its last ones."""

    code: int | None
    lines: list[str]


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
    keep_open: Sequence[int] = (),
) -> Ended:
    """Run a command in a folder, its output going to standard error as it comes.

    ``keep_open`` are file descriptors that stay open until it has ended.
    """
    late = threading.Event()
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    with subprocess.Popen(
        [sys.executable, "-P", __file__, *command],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        pass_fds=keep_open,
    ) as process:

        def give_up() -> None:
            late.set()
            _kill(process.pid)

        timer = threading.Timer(seconds, give_up)
        timer.start()
        try:
            for line in process.stdout or ():
                sys.stderr.write(line)
                sys.stderr.flush()
                lines.append(line.rstrip())
            code = process.wait()
        finally:
            timer.cancel()
            _kill(process.pid)
    return Ended(None if late.is_set() else code, list(lines))


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def main() -> None:
    threading.Thread(target=_kill_when_left, daemon=True).start()
    code = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL)
    sys.exit(code if code >= 0 else 128 - code)


def _kill_when_left() -> None:
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
