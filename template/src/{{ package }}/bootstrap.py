"""Intervals for statistics of n rows, by the percentile bootstrap (Efron 1979).

A statistic takes row weights (b, n), each line summing to 1, and returns b numbers. Equal weights
give its value; the share of times that each row is drawn with replacement, its distribution.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
Key = TypeVar("Key", bound=Hashable)

# Numbers in one block of weights: 16 MB.
BLOCK = 2_000_000


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
