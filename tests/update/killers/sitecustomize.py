"""Loaded by the Python of a killed update: ends it just before one of its steps.

A step is a program that it starts, or a file operation inside a folder. KILL_PROGRAM is a part of
the command line that is meant; KILL_STEP is the number of the step, or a part of its description;
KILL_SIGNAL is what is sent, KILL_INSIDE the folder. KILL_LOG gets one line a step.
"""

import os
import sys
from pathlib import Path

CHANGES = {
    *("os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"),
    *("os.truncate", "os.utime"),
}
NAMES = (str, bytes, os.PathLike)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
INSIDE = os.environ.get("KILL_INSIDE", "")
STEP = os.environ.get("KILL_STEP", "")
SIGNAL = int(os.environ.get("KILL_SIGNAL", "9"))
steps = 0
log = os.open(os.environ.get("KILL_LOG", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def described(event: str, details: tuple[object, ...]) -> str | None:
    """A step in words, or nothing."""
    if event == "subprocess.Popen":
        return f"start {details[1]}"
    if event in CHANGES or (event == "open" and int(str(details[2])) & WRITING):
        folder = None if event == "open" else details[-1]
        paths = [absolute(part, folder) for part in details if isinstance(part, NAMES)]
        if any(path.startswith(f"{INSIDE}/") for path in paths):
            return f"{event} {' '.join(paths)}"
    return None


def absolute(path: str | bytes | os.PathLike[str], folder: object) -> str:
    """What an operation names, also when by an open folder and a name in it."""
    name = Path(os.fsdecode(path))
    if isinstance(folder, int) and folder >= 0 and not name.is_absolute():
        return str(Path(f"/proc/self/fd/{folder}").readlink() / name)
    return str(name.absolute())


def count(event: str, details: tuple[object, ...]) -> None:
    global steps
    step = described(event, details)
    if step is None:
        return
    steps += 1
    os.write(log, f"{step!r}\n".encode())
    if str(steps) == STEP or (STEP and not STEP.isdigit() and STEP in step):
        os.kill(os.getpid(), SIGNAL)


if os.environ.get("KILL_PROGRAM", "\n") in " ".join(sys.orig_argv):
    sys.addaudithook(count)
