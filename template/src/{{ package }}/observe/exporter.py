"""`observe` again and again, and what Prometheus reads of the last time."""

import logging
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..errors import ProjectError
from ..metrics import Estimate
from ..slices import Slice
from .drift import Drift, Drifts
from .quality import Arrival, Quality
from .run import Observation

log = logging.getLogger(__name__)

DAY_SECONDS = 24 * 60 * 60

# By the values of a metric's labels.
Values = dict[tuple[str, ...], float | None]
Estimates = dict[tuple[str, ...], Estimate]


class Figures(Collector):
    """The last observation. What it did not judge is left out, so that no alert is about it."""

    def __init__(self) -> None:
        self.failures = 0
        self.seconds: float | None = None
        self.succeeded: float | None = None
        self.seen: Observation | None = None

    def run(self, look: Callable[[], Observation]) -> None:
        """Observe once; a failure is logged and counted, and leaves what was seen before."""
        began = time.monotonic()
        try:
            self.seen = look()
            self.succeeded = time.time()
        except ProjectError as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f"{type(error).__name__}: {error}")
        self.seconds = time.monotonic() - began

    def _fail(self, reason: str) -> None:
        self.failures += 1
        log.error("nothing could be observed: %s", reason)

    def collect(self) -> Iterator[Metric]:
        failures = CounterMetricFamily("observe_failures", "Observations that failed")
        failures.add_metric([], self.failures)
        yield failures
        yield from _gauge("observe_duration_seconds", "How long the last took", self.seconds)
        yield from _gauge(
            "observe_last_success_timestamp_seconds", "When one last ended well", self.succeeded
        )
        if self.seen is not None:
            yield from _observed(self.seen)


def _observed(seen: Observation) -> Iterator[Metric]:
    yield from _gauge("observe_predictions", "Predictions in the window", seen.predictions)
    age = time.time() - seen.trained.timestamp()
    yield from _gauge("model_age_seconds", "Since the model became the champion", age)
    if seen.max_age_days is not None:
        limit = seen.max_age_days * DAY_SECONDS
        yield from _gauge("model_max_age_seconds", "The age at which it counts as stale", limit)
    yield from _arrival(seen.labels)
    if seen.skew is not None:
        yield from _gauge(
            "prediction_skew_max",
            "Largest difference between logged features and the same computed again",
            seen.skew.largest,
        )
    if seen.drift is not None:
        yield from _drift(seen.drift)
    if seen.quality is not None:
        yield from _quality(seen.quality)


def _arrival(labels: Arrival) -> Iterator[Metric]:
    newest = labels.newest.timestamp() if labels.newest else None
    yield from _gauge("observe_labels", "Predictions whose label is known", labels.matched)
    yield from _gauge("labels_last_timestamp_seconds", "Time of the newest label", newest)
    yield from _gauge(
        "label_expected_delay_seconds", "How long a label may take", labels.expected_seconds
    )
    yield from _gauge(
        "labels_overdue_ratio", "Share of due labels that are missing", labels.overdue_ratio
    )
    delays: Values = {(f"{part:g}",): seconds for part, seconds in labels.delays.items()}
    yield _gauges("label_delay_seconds", "From a prediction to its label", ["quantile"], delays)


def _drift(drifts: Drifts) -> Iterator[Metric]:
    def by_feature(name: str, text: str, value: Callable[[Drift], float | None]) -> Metric:
        values: Values = {(drift.name,): value(drift) for drift in drifts.features}
        return _gauges(name, text, ["feature"], values)

    yield by_feature("feature_drift_psi", "Population stability index", lambda one: one.psi)
    yield by_feature("feature_drift_ks", "Kolmogorov-Smirnov distance", lambda one: one.ks)
    yield by_feature("feature_drifted", "1 for drift beyond chance", lambda one: one.drifted)
    if drifts.features:
        share = len(drifts.drifted) / len(drifts.features)
        yield from _gauge("drifted_features_ratio", "Share of features that drifted", share)
    yield from _gauge("prediction_drift_psi", "Population stability index", drifts.prediction.psi)
    yield from _gauge("prediction_drifted", "1 for drift beyond chance", drifts.prediction.drifted)


def _quality(found: Quality) -> Iterator[Metric]:
    yield from _gauge("model_loss", "Mean loss on labelled predictions", found.loss.value)
    yield from _gauge("model_loss_low", "Lower bound of its interval", found.loss.low)
    yield from _gauge("model_loss_high", "Upper bound of its interval", found.loss.high)
    yield from _gauge(
        "model_reference_loss", "Mean loss at the evaluation", found.promised_loss.value
    )
    yield from _gauge(
        "model_quality_lost", "1 when surely worse than at the evaluation", found.lost
    )
    yield from _estimates(
        ("model_quality", "model_quality_low", "model_quality_high"),
        "A metric of labelled predictions",
        ["metric"],
        {(name,): one for name, one in found.metrics.items()},
    )
    yield _gauges(
        "model_reference_quality",
        "The metric at the evaluation",
        ["metric"],
        {(name,): one.value for name, one in found.promised_metrics.items()},
    )
    yield from _estimates(
        ("slice_skill", "slice_skill_low", "slice_skill_high"),
        "Share of the constant's loss that the model removes",
        ["column", "level"],
        _skills(found.slices),
    )
    yield from _gauge(
        "model_calibration_error", "Distance of probability and frequency", found.calibration_error
    )
    yield from _gauge(
        "charter_cost_per_1000_predictions", "At the costs of the charter", found.cost.value
    )
    yield from _gauge(
        "charter_reference_cost_per_1000_predictions",
        "The same on test rows",
        found.promised_cost,
    )


def _skills(slices: list[Slice]) -> Estimates:
    return {(part.column, part.level): part.skill for part in slices if part.skill is not None}


def _estimates(
    names: tuple[str, str, str], text: str, labels: list[str], values: Estimates
) -> Iterator[Metric]:
    for name, part in zip(names, ("value", "low", "high"), strict=True):
        parts: Values = {key: getattr(one, part) for key, one in values.items()}
        yield _gauges(name, text, labels, parts)


def _gauge(name: str, text: str, value: float | None) -> Iterator[Metric]:
    yield _gauges(name, text, [], {(): value})


def _gauges(name: str, text: str, labels: list[str], values: Values) -> Metric:
    """A gauge with the values that are known."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        if value is not None and math.isfinite(value):
            family.add_metric(list(key), float(value))
    return family


def run(look: Callable[[], Observation], seconds: float, host: str, port: int) -> NoReturn:
    """Observe every so many seconds, and serve /metrics, until told to stop.

    Raises ProjectError when the port cannot be had.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # As the first process of a container, it would otherwise not be stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    figures = Figures()
    registry = CollectorRegistry()
    registry.register(figures)
    try:
        server, _ = prometheus.start_http_server(port, host, registry)
    except OSError as error:
        raise ProjectError(f"{host}:{port} cannot be listened on: {error}") from None
    log.info("observing every %g s; metrics on http://%s:%d", seconds, host, server.server_port)
    while True:
        began = time.monotonic()
        figures.run(look)
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
