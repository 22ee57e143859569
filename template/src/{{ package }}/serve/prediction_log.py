"""Every prediction as a line of JSON, written beside the requests and never in their way.

A request leaves its lines in memory. Every ``WRITE_SECONDS`` one thread appends them to the
worker's segment in a local folder, and another one moves closed segments to
<store>/date=YYYY-MM-DD/<segment>.jsonl.gz, the date being that of their predictions.

What can be lost: nothing at an orderly stop (SIGTERM). At most the last second before a worker is
killed (SIGKILL). What the operating system had not put on the disk when the power fails. While a
disk is full or does not answer, lines wait in memory up to ``QUEUE_BYTES``, and while the store
cannot be reached, in the folder up to ``max_bytes``; what comes after that is dropped and counted.
"""

import contextlib
import logging
import threading
import time
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from .. import records
from ..blobs import Location
from ..records import Answered
from .metrics import Metrics
from .segments import Segment, folder_bytes, ship_closed

log = logging.getLogger(__name__)

WRITE_SECONDS = 0.1
RETRY_SECONDS = 1.0
MEASURE_SECONDS = 1.0
COMPLAIN_SECONDS = 60.0
# How long a stop waits for a disk or a store: less than the ten seconds that containers are given.
CLOSE_SECONDS = 8.0
QUEUE_BYTES = 32 * 1024 * 1024
SEGMENT_BYTES = 16 * 1024 * 1024


class Lines(NamedTuple):
    """The records of one request."""

    day: str
    text: bytes
    records: int


class PredictionLog:
    def __init__(
        self,
        folder: Path,
        store: Location,
        segment_seconds: float,
        max_bytes: int,
        metrics: Metrics,
    ) -> None:
        self._folder = folder
        self._store = store
        self._segment_seconds = segment_seconds
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._lock = threading.Lock()
        self._waiting: list[Lines] = []
        self._waiting_bytes = 0
        self._segment: Segment | None = None
        self._used = 0
        self._measured = self._complained = float("-inf")
        self._stopping = threading.Event()
        self._closed = threading.Event()
        self._finished = threading.Event()
        self._writer = threading.Thread(target=self._write, name="log-writer", daemon=True)
        self._shipper = threading.Thread(target=self._ship, name="log-shipper", daemon=True)

    def start(self) -> None:
        self._writer.start()
        self._shipper.start()

    def add(self, request: Answered) -> None:
        """Take an answered request; when too much waits it is lost, and counted."""
        try:
            text = b"".join(map(records.line, records.records(request)))
        except Exception as error:  # the answer is worth more than its record
            self._lost(len(request.rows), "not written")
            self._complain("a prediction is not logged", error)
            return
        lines = Lines(request.time.date().isoformat(), text, len(request.rows))
        with self._lock:
            fits = not self._waiting or self._waiting_bytes + len(text) <= QUEUE_BYTES
            if fits:
                self._waiting.append(lines)
                self._waiting_bytes += len(text)
        if not fits:
            self._lost(lines.records, "queue full")

    def close(self) -> None:
        """Write what waits and ship it, unless the disk or the store does not answer."""
        self._stopping.set()
        end = time.monotonic() + CLOSE_SECONDS
        for thread in (self._writer, self._shipper):
            thread.join(max(0.0, end - time.monotonic()))
        if lost := sum(lines.records for lines in self._waiting):
            self._lost(lost, "not written")
            log.error("%d predictions are not logged: the disk did not take them", lost)

    def _write(self) -> None:
        pause = WRITE_SECONDS
        while not self._stopping.wait(pause):
            pause = WRITE_SECONDS if self._step() else RETRY_SECONDS
        while self._step() and self._waiting:
            pass
        with contextlib.suppress(OSError):
            self._close_segment()
        self._finished.set()
        self._closed.set()

    def _step(self) -> bool:
        """Append what waits; False when the disk does not take it, and it goes on waiting."""
        try:
            self._measure()
            self._flush()
            if self._segment and self._segment.age() >= self._segment_seconds:
                self._close_segment()
        except OSError as error:
            self._metrics.log_write_failures.inc()
            self._complain("predictions wait in memory to be logged", error)
            return False
        return True

    def _flush(self) -> None:
        with self._lock:
            waiting = self._waiting
            batch = list(takewhile(lambda lines: lines.day == waiting[0].day, waiting))
        if not batch:
            return
        self._append(batch)
        with self._lock:
            del self._waiting[: len(batch)]
            self._waiting_bytes -= sum(len(lines.text) for lines in batch)

    def _append(self, batch: list[Lines]) -> None:
        day, text = batch[0].day, b"".join(lines.text for lines in batch)
        if self._used + len(text) > self._max_bytes:
            self._lost(sum(lines.records for lines in batch), "no room")
            self._complain("predictions are not logged", f"{self._folder} holds all that it may")
            return
        if self._segment and (self._segment.day != day or self._segment.size >= SEGMENT_BYTES):
            self._close_segment()
        if self._segment is None:
            self._segment = Segment(self._folder, day)
        self._segment.append(text)
        self._used += len(text)

    def _measure(self) -> None:
        """Look now and then how much the folder holds, which the workers share."""
        now = time.monotonic()
        if now - self._measured >= MEASURE_SECONDS:
            self._measured = now
            self._used = folder_bytes(self._folder)
            self._metrics.log_bytes.set(self._used)

    def _close_segment(self) -> None:
        if self._segment:
            self._segment.close()
            self._segment = None
            self._closed.set()

    def _ship(self) -> None:
        while True:
            finished = self._finished.is_set()
            try:
                # The first time round, what workers left that were killed.
                ship_closed(self._folder, self._store)
            except OSError as error:
                self._metrics.log_ship_failures.inc()
                self._complain("log segments wait to be shipped", error)
            if finished:
                return
            self._closed.wait(self._segment_seconds)
            self._closed.clear()

    def _lost(self, records: int, reason: str) -> None:
        self._metrics.log_lost.labels(reason).inc(records)

    def _complain(self, what: str, why: object) -> None:
        now = time.monotonic()
        if now - self._complained >= COMPLAIN_SECONDS:
            self._complained = now
            log.error("%s: %s", what, why)
