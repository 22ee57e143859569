"""Every prediction as a line of JSON, written beside the requests and never in their way.

A worker appends to its own segment on a local volume. Closed segments move to
<store>/date=YYYY-MM-DD/<segment>.jsonl.gz, the date being that of their predictions. An open
segment is locked, so a segment that can be locked belongs to nobody any more.
"""

import contextlib
import errno
import fcntl
import gzip
import json
import logging
import os
import queue
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..columns import from_rows
from ..contract import Column
from ..model import Model
from .metrics import Metrics

log = logging.getLogger(__name__)

SENSITIVE = ("confidential", "restricted", "sensitive")
QUEUE_SIZE = 20_000
SEGMENT_BYTES = 16 * 1024 * 1024
COMPLAIN_SECONDS = 60.0
SUFFIX = ".jsonl"


@dataclass(frozen=True)
class Answered:
    """One answered request: n rows, their features (n, f), the output, and what was answered."""

    time: datetime
    request_id: str
    model: Model
    rows: list[dict[str, Any]]
    features: NDArray[np.float32]
    output: NDArray[np.float64]
    answers: list[Any]


def is_logged(column: Column) -> bool:
    """The rule of what may be kept: no value that the contract calls sensitive."""
    return (column.classification or "").lower() not in SENSITIVE


def records(request: Answered) -> Iterator[dict[str, Any]]:
    contract = request.model.contract
    inputs = [column.name for column in contract.inputs if is_logged(column)]
    features = _logged_features(request, inputs)
    for number, row in enumerate(request.rows):
        yield {
            "time": request.time,
            "request_id": request.request_id,
            "row": number,
            "id": row.get(contract.id.name) if contract.id and is_logged(contract.id) else None,
            "model": request.model.digest,
            "inputs": {name: row[name] for name in inputs},
            "features": [None if value != value else value for value in features[number].tolist()],
            "output": request.output[number].tolist(),
            "prediction": request.answers[number],
        }


def _logged_features(request: Answered, inputs: list[str]) -> NDArray[np.float32]:
    """The features, but computed as if sensitive inputs were missing: nothing tells their value."""
    model = request.model
    if len(inputs) == len(model.contract.inputs):
        return request.features
    rows = [{name: row[name] for name in inputs} for row in request.rows]
    return model.features(from_rows(rows, model.contract.inputs))


class PredictionLog:
    """One thread that writes and ships; requests only put their answers into its queue."""

    def __init__(self, folder: Path, store: Path, segment_seconds: float, metrics: Metrics) -> None:
        self._folder = folder
        self._store = store
        self._segment_seconds = segment_seconds
        self._metrics = metrics
        self._queue: queue.Queue[Answered | None] = queue.Queue(QUEUE_SIZE)
        self._segment: Segment | None = None
        self._complained = -COMPLAIN_SECONDS
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, request: Answered) -> None:
        """Take an answered request; when the queue is full it is lost, and counted."""
        try:
            self._queue.put_nowait(request)
        except queue.Full:
            self._lost(len(request.rows), "queue full")

    def close(self) -> None:
        """Write what is queued and ship it."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        self._ship()  # what workers left that were killed
        while True:
            with contextlib.suppress(queue.Empty):
                request = self._queue.get(timeout=min(1.0, self._segment_seconds))
                if request is None:
                    break
                self._write(request)
            if self._segment and self._segment.age() >= self._segment_seconds:
                self._close_segment()
        self._close_segment()

    def _write(self, request: Answered) -> None:
        day = request.time.date().isoformat()
        segment = self._segment
        if segment and (segment.day != day or segment.size >= SEGMENT_BYTES):
            self._close_segment()
        try:
            lines = b"".join(map(_line, records(request)))
            if self._segment is None:
                self._segment = Segment(self._folder, day)
            self._segment.append(lines)
        except Exception as error:  # a full disk is the likely one; whatever it is, go on
            self._lost(len(request.rows), "not written")
            self._complain("predictions are not logged", error)

    def _close_segment(self) -> None:
        if self._segment:
            self._segment.close()
            self._segment = None
        self._ship()

    def _ship(self) -> None:
        try:
            ship_closed(self._folder, self._store)
        except OSError as error:
            self._metrics.log_ship_failures.inc()
            self._complain("log segments wait to be shipped", error)

    def _lost(self, rows: int, reason: str) -> None:
        self._metrics.log_lost.labels(reason).inc(rows)

    def _complain(self, what: str, error: Exception) -> None:
        now = time.monotonic()
        if now - self._complained >= COMPLAIN_SECONDS:
            self._complained = now
            log.error("%s: %s", what, error)


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, default=_plain).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


class Segment:
    """An open segment for the predictions of one day."""

    def __init__(self, folder: Path, day: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.day = day
        self.size = 0
        self._opened = time.monotonic()
        path = folder / f"{day}.{uuid.uuid4().hex}{SUFFIX}"
        # Locked before it has its name: nobody can take it for a closed one.
        unnamed = path.with_suffix(".new")
        self._file = unnamed.open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        unnamed.rename(path)

    def age(self) -> float:
        return time.monotonic() - self._opened

    def append(self, lines: bytes) -> None:
        """Write these lines, or none of them and raise OSError."""
        try:
            if self._file.write(lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._file.truncate(self.size)
            self._file.seek(self.size)
            raise
        self.size += len(lines)

    def close(self) -> None:
        self._file.close()


def ship_closed(folder: Path, store: Path) -> None:
    """Move every closed segment to the store, under the date of its predictions."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _ship(path, file.read(), store)
        except (BlockingIOError, FileNotFoundError):
            continue  # a worker still writes it, or another one has just shipped it


def _ship(path: Path, content: bytes, store: Path) -> None:
    # A worker that was killed may have left half a line.
    lines = content[: content.rfind(b"\n") + 1]
    if lines:
        day = path.name.partition(".")[0]
        target = store / f"date={day}" / f"{path.name}.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            file.write(gzip.compress(lines))
            os.fsync(file.fileno())
        unfinished.replace(target)
    path.unlink()
