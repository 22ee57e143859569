"""Before an erasure: bring into the store what the workers' segments hold of its subjects."""

import json
import time
from pathlib import Path

import polars as pl

from ..errors import ProjectError
from ..settings import Settings
from ..subjects import Subjects
from .prediction_log import WRITE_SECONDS
from .segments import SUFFIX, ship_closed

STEP_SECONDS = 0.2
# What a worker may need beyond the time for which a segment stays open.
GRACE_SECONDS = 10.0


class StillOpen(ProjectError):
    """A worker keeps a segment open that holds a subject."""


def drain(settings: Settings, subjects: Subjects) -> None:
    """Ship all closed segments, and wait until no open one holds a subject.

    Raises StillOpen when a worker takes much longer than ``segment_seconds`` to close its own.
    """
    end = time.monotonic() + settings.segment_seconds + GRACE_SECONDS
    if settings.prediction_log.is_dir():
        time.sleep(2 * WRITE_SECONDS)  # what is answered by now is in a segment then
    while True:
        ship_closed(settings.prediction_log, settings.prediction_store)
        holding = [
            path
            for path in sorted(settings.prediction_log.glob(f"*{SUFFIX}"))
            if _holds(path, subjects)
        ]
        if not holding:
            return
        if time.monotonic() > end:
            raise StillOpen(
                f"{holding[0]} is still open and holds a record to erase, so nothing was erased: "
                "run this again, or stop the service first"
            )
        time.sleep(STEP_SECONDS)


def _holds(path: Path, subjects: Subjects) -> bool:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False  # it has just been shipped
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    try:
        ids = [json.loads(line).get("id") for line in lines]
    except (ValueError, AttributeError):
        return True  # nobody knows; once it is shipped, reading it names the file
    text = [None if id is None else str(id) for id in ids]
    return bool(subjects.among(pl.Series(text, dtype=pl.String)).any())
