"""What Prometheus reads. Every label has a bounded set of values."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..model import Model

# Where Linux tells the memory of a process; elsewhere it is not shown.
STATM = Path("/proc/self/statm")
DAY_SECONDS = 24 * 60 * 60
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
PROBABILITIES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
LOSSES = ("queue full", "no room", "not written")
STEPS = [digit * 10.0**power for power in range(-2, 7) for digit in (1, 2, 5)]
VALUES = (*(-step for step in reversed(STEPS)), 0.0, *STEPS)


class Metrics:
    """One set per worker; with several workers their sum is shown, from files that they share."""

    def __init__(self) -> None:
        self.content_type = prometheus.CONTENT_TYPE_LATEST
        self._registry = CollectorRegistry()
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        if not _shared():
            prometheus.ProcessCollector(registry=self._registry)
        self.requests = self._counter("http_requests", "Requests", "route", "method", "status")
        self.seconds = Histogram(
            "http_request_duration_seconds",
            "From the request to the end of the response",
            ["route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.in_flight = self._gauge("http_requests_in_flight", "Unanswered requests", "livesum")
        self.shed = self._counter(
            "http_requests_shed", "Requests for predictions that were turned away under overload"
        )
        self.refused = self._counter(
            "prediction_rows_refused", "Rows that the contract does not allow", "column", "rule"
        )
        self.warnings = self._counter(
            "prediction_warnings", "Values that break a warning of the contract", "column", "rule"
        )
        self.unknown = self._counter(
            "prediction_unknown_categories", "Categories that training has not seen", "column"
        )
        self.predictions = self._counter("predictions", "Predictions by class", "class")
        self.probabilities = Histogram(
            "prediction_probability",
            "Probability of the positive class; with more classes, of the one that was answered",
            ["class"],
            buckets=PROBABILITIES,
            registry=self._registry,
        )
        self.values = Histogram(
            "prediction_value",
            "Predicted values",
            ["model"],
            buckets=VALUES,
            registry=self._registry,
        )
        self.model = self._gauge(
            "model_info", "1 for the model that serves", "livemax", "model", "kind", "digest"
        )
        self.loaded = self._gauge(
            "model_loaded_timestamp_seconds", "When the model was loaded", "livemostrecent"
        )
        self._champion = ChampionAge()
        self._registry.register(self._champion)
        self.load_failures = self._counter(
            "model_load_failures", "Champions that were refused while another one served"
        )
        self.log_lost = self._counter(
            "prediction_log_records_lost", "Predictions that could not be logged", "reason"
        )
        for reason in LOSSES:
            self.log_lost.labels(reason)  # shown as 0 before the first loss
        self.log_write_failures = self._counter(
            "prediction_log_write_failures", "Attempts to write the log that the disk did not take"
        )
        self.log_ship_failures = self._counter(
            "prediction_log_ship_failures", "Closed log segments that could not be shipped yet"
        )
        # All workers share the folder and each measures all of it.
        self.log_bytes = self._gauge(
            "prediction_log_bytes", "Logged predictions that are not in the store yet", "livemax"
        )
        self._memory = self._gauge(
            "worker_resident_memory_bytes", "Resident memory of the workers together", "livesum"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, mode: Any, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry, multiprocess_mode=mode)

    def serves(self, model: Model, since: str, before: Model | None) -> None:
        """Note that this model serves now, champion since then, and not the one before."""
        if before:
            self.model.labels(before.info.name, before.info.kind, before.digest).set(0)
        self.model.labels(model.info.name, model.info.kind, model.digest).set(1)
        self.loaded.set(time.time())
        self._champion.note(model, since)

    def note_memory(self) -> None:
        """Measure this worker; nobody can do so for another one."""
        if STATM.exists():
            pages = int(STATM.read_text(encoding="ascii").split()[1])
            self._memory.set(pages * os.sysconf("SC_PAGE_SIZE"))

    def text(self) -> bytes:
        self.note_memory()
        registry = self._registry
        if _shared():
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            registry.register(self._champion)
        return prometheus.generate_latest(registry)


class ChampionAge(Collector):
    """How old the champion is and may become: what the store says, which is the same to workers."""

    def __init__(self) -> None:
        self._trained: float | None = None
        self._max_age: float | None = None

    def note(self, model: Model, since: str) -> None:
        self._trained = datetime.fromisoformat(since).timestamp()
        path = model.folder / "staleness.json"
        days = json.loads(path.read_bytes())["max_age_days"] if path.exists() else None
        self._max_age = None if days is None else days * DAY_SECONDS

    def collect(self) -> Iterator[Metric]:
        """What is known; a limit that nobody has found out is not shown."""
        for name, text, value in (
            ("model_trained_timestamp_seconds", "When it became the champion", self._trained),
            ("model_max_age_seconds", "The age at which quality is lost", self._max_age),
        ):
            if value is not None:
                yield GaugeMetricFamily(name, text, value)


def _shared() -> bool:
    return DIRECTORY in os.environ


@contextmanager
def shared_by_workers() -> Iterator[None]:
    """A fresh directory for the metrics of the workers that are started meanwhile."""
    with tempfile.TemporaryDirectory(prefix="metrics-") as directory:
        os.environ[DIRECTORY] = directory
        try:
            yield
        finally:
            del os.environ[DIRECTORY]


def forget_dead_workers() -> None:
    """Drop the gauges of workers that ended; what they counted stays."""
    if not _shared():
        return
    for path in Path(os.environ[DIRECTORY]).glob("gauge_live*_*.db"):
        worker = int(path.stem.rpartition("_")[2])
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(worker)  # type: ignore[no-untyped-call]
