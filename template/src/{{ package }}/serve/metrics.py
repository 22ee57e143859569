"""What Prometheus reads. Every label has a bounded set of values."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess

from ..model import Model

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LOSSES = ("queue full", "not written")
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
        self.load_failures = self._counter(
            "model_load_failures", "Champions that were refused while another one served"
        )
        self.log_lost = self._counter(
            "prediction_log_records_lost", "Predictions that could not be logged", "reason"
        )
        for reason in LOSSES:
            self.log_lost.labels(reason)  # shown as 0 before the first loss
        self.log_ship_failures = self._counter(
            "prediction_log_ship_failures", "Closed log segments that could not be shipped yet"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, mode: Any, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry, multiprocess_mode=mode)

    def serves(self, model: Model, before: Model | None) -> None:
        """Note that this model serves now, and not the one before."""
        if before:
            self.model.labels(before.info.name, before.info.kind, before.digest).set(0)
        self.model.labels(model.info.name, model.info.kind, model.digest).set(1)
        self.loaded.set(time.time())

    def text(self) -> bytes:
        registry = self._registry
        if _shared():
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus.generate_latest(registry)


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
