"""Losses and reported metrics, and intervals for them.

Throughout, n rows have a ``target`` (n,) of class indices or values, and an ``output`` of class
probabilities (n, k) or values (n,). Metrics are statistics: functions of row weights (b, n), each
line summing to 1, that return b numbers. With equal weights they are scikit-learn's metrics of the
same name; with the share of times that each row is drawn with replacement they give the bootstrap.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .model import Model
from .params import Task

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
Key = TypeVar("Key", bound=Hashable)

# Numbers in one block of weights: 16 MB.
BLOCK = 2_000_000

# float32, the type of the model's outputs, cannot come closer to 1.
CLIP = 1e-7

# Enough rows for a picture; every input is predicted REPEATS times.
ROWS = 5_000
REPEATS = 3

LOSS_NAME: dict[Task, str] = {
    "binary": "log loss",
    "multiclass": "log loss",
    "regression": "squared error",
}


@dataclass(frozen=True)
class Estimate:
    """A value on the test rows and the bounds of its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{number(self.value)} [{number(self.low)}, {number(self.high)}]"


@dataclass(frozen=True)
class Bootstrap:
    """Percentile bootstrap (Efron 1979): statistics of rows drawn anew with replacement.

    Statistics that are estimated together see the same draws, and a statistic of differences
    between two models is a paired comparison.
    """

    confidence: float
    resamples: int
    seed: int | None

    def estimate(self, n: int, statistics: Mapping[Key, Statistic]) -> dict[Key, Estimate]:
        """An estimate of each statistic over n rows."""
        draws: dict[Key, list[Array]] = {name: [] for name in statistics}
        for weights in self._weights(n):
            for name, statistic in statistics.items():
                draws[name].append(statistic(weights))
        tail = (1 - self.confidence) / 2
        return {
            name: Estimate(
                value_of(statistic, n),
                *np.nanquantile(np.concatenate(draws[name]), [tail, 1 - tail]).tolist(),
            )
            for name, statistic in statistics.items()
        }

    def mean(self, values: Array) -> Estimate:
        return self.estimate(len(values), {"mean": mean(values)})["mean"]

    def _weights(self, n: int) -> Iterator[Array]:
        """Blocks of weights (b, n). How often each row is drawn is multinomial."""
        rng = np.random.default_rng(self.seed)
        size = max(1, BLOCK // n)
        for start in range(0, self.resamples, size):
            count = min(size, self.resamples - start)
            rows = rng.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
            yield np.bincount(rows.ravel(), minlength=count * n).reshape(count, n) / n


def value_of(statistic: Statistic, n: int) -> float:
    return float(statistic(np.full((1, n), 1 / n))[0])


def mean(values: Array) -> Statistic:
    """The mean of values (n,)."""
    return lambda weights: weights @ values


def number(value: float) -> str:
    """A number for people: no more digits than they would compare."""
    size = abs(value)
    if size >= 100 or size == 0:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.3f}" if size >= 0.0005 else f"{value:.1e}"


def per_row_loss(task: Task, target: Array, output: Array) -> Array:
    """The loss (n,) that models are compared by: log loss in nats, or the squared error."""
    if task == "regression":
        return (output - target) ** 2
    told = np.take_along_axis(output, target.astype(int)[:, None], axis=1)[:, 0]
    return -np.log(np.clip(told, CLIP, 1.0))


def decide(task: Task, output: Array, threshold: float | None) -> Array:
    """The class index (n,) that is answered, or the value itself."""
    if task == "regression":
        return output
    if task == "multiclass":
        return np.asarray(output.argmax(axis=1), dtype=np.float64)
    assert threshold is not None
    return np.asarray(output[:, 1] >= threshold, dtype=np.float64)


def skill(loss: Array, reference: Array) -> Statistic:
    """1 - mean loss / mean reference loss: 1 is perfect, 0 no better, below 0 worse."""
    tiny = np.finfo(np.float64).tiny
    return lambda weights: 1 - (weights @ loss) / np.maximum(weights @ reference, tiny)


def reported(
    task: Task, target: Array, output: Array, threshold: float | None
) -> dict[str, Statistic]:
    """The metrics that are reported for a task. What the gate uses is ``per_row_loss``.

    Accuracy and F1 judge the class that is answered, so a binary model's depend on its threshold.
    Metrics that the target leaves undefined are left out.
    """
    if task == "regression":
        error = output - target
        statistics = {
            "rmse": lambda weights: np.sqrt(weights @ error**2),
            "mae": mean(np.abs(error)),
        }
        return statistics | ({"r2": r2(target, output)} if np.ptp(target) > 0 else {})
    says = decide(task, output, threshold)
    statistics = {
        "log_loss": mean(per_row_loss(task, target, output)),
        "accuracy": mean((says == target).astype(np.float64)),
    }
    if task == "multiclass":
        return statistics | {"macro_f1": macro_f1(target, says, output.shape[1])}
    statistics["brier"] = mean((output[:, 1] - target) ** 2)
    if len(np.unique(target)) == 2:
        statistics["roc_auc"] = roc_auc(target, output[:, 1])
        statistics["average_precision"] = average_precision(target, output[:, 1])
    return statistics


def r2(target: Array, output: Array) -> Statistic:
    centred = target - target.mean()
    error = output - target

    def statistic(weights: Array) -> Array:
        variance = weights @ centred**2 - (weights @ centred) ** 2
        return 1 - (weights @ error**2) / np.where(variance > 0, variance, np.nan)

    return statistic


def macro_f1(target: Array, says: Array, classes: int) -> Statistic:
    """The mean of F1 over the classes that occur."""
    labels = np.arange(classes)
    is_class = (target[:, None] == labels).astype(np.float64)
    is_said = (says[:, None] == labels).astype(np.float64)

    def statistic(weights: Array) -> Array:
        size = weights @ (is_class + is_said)
        hits = 2 * (weights @ (is_class * is_said))
        return np.asarray(np.nanmean(hits / np.where(size > 0, size, np.nan), axis=1))

    return statistic


def roc_auc(target: Array, score: Array) -> Statistic:
    """The area under the ROC curve by trapezoids, ties sharing one point."""
    rank = _ranking(target, score)

    def statistic(weights: Array) -> Array:
        hits, alarms = rank(weights)
        area = np.trapezoid(hits, alarms, axis=1)
        size = hits[:, -1] * alarms[:, -1]
        return area / np.where(size > 0, size, np.nan)

    return statistic


def average_precision(target: Array, score: Array) -> Statistic:
    """The mean of precision over the recall that each distinct score adds."""
    rank = _ranking(target, score)

    def statistic(weights: Array) -> Array:
        hits, alarms = rank(weights)
        said = hits + alarms
        precision = hits / np.where(said > 0, said, 1.0)
        area: Array = np.sum(np.diff(hits, axis=1) * precision[:, 1:], axis=1)
        return area / np.where(hits[:, -1] > 0, hits[:, -1], np.nan)

    return statistic


def _ranking(target: Array, score: Array) -> Callable[[Array], tuple[Array, Array]]:
    """Of weights, that of true and of false positives, from the highest score down.

    Both have the shape (b, 1 + distinct scores).
    """
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    positive = target[order]
    negative = 1 - positive

    def rank(weights: Array) -> tuple[Array, Array]:
        ranked = weights[:, order]
        hits = np.cumsum(ranked * positive, axis=1)[:, ends]
        alarms = np.cumsum(ranked * negative, axis=1)[:, ends]
        return np.pad(hits, ((0, 0), (1, 0))), np.pad(alarms, ((0, 0), (1, 0)))

    return rank


def permutation_importance(
    model: Model, columns: Columns, target: Array, bootstrap: Bootstrap
) -> dict[str, Estimate]:
    """How much the loss rises when one input is shuffled (Breiman 2001), largest first.

    In units of the loss. Of inputs that tell the same, each may seem to matter little.
    """
    rng = np.random.default_rng(bootstrap.seed)
    rows = np.sort(rng.permutation(len(target))[:ROWS])
    columns, target = {name: values[rows] for name, values in columns.items()}, target[rows]
    loss = per_row_loss(model.info.task, target, model.predict(columns))
    rises = {}
    for name, values in columns.items():
        rise = np.zeros(len(rows))
        for _ in range(REPEATS):
            shuffled = {**columns, name: rng.permutation(values)}
            rise += per_row_loss(model.info.task, target, model.predict(shuffled)) - loss
        rises[name] = bootstrap.mean(rise / REPEATS)
    return dict(sorted(rises.items(), key=lambda item: -item[1].value))
