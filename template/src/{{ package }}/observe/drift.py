"""Drift: whether rows and predictions still look as they did when the model was made.

The population stability index (PSI) compares the shares of fixed bins (Siddiqi 2006); an empty bin
counts as a share of 0.0001, as is usual. Where there are few rows or many bins, chance alone makes
it large (Yurdakul and Naranjo 2020). So a feature has drifted when its PSI is above the limit and
above what chance explains: the PSI of rows that are drawn from the reference itself, as many as
there are on both sides.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from ..columns import from_rows
from ..model import Model
from ..params import Observe
from ..records import is_logged
from ..reference import Distribution, Levels, Numbers, Reference, told_by
from .window import Row, Window, columns

FLOOR = 1e-4
DRAWS = 5_000
# Of 100 runs without any drift, one may find some: over all features of a model together.
FALSE_ALARMS = 0.01

# Enough to see which features an input has a part in; of a category, every level is tried.
TRIED_ROWS = 20
TRIED: dict[str, list[Any]] = {
    "integer": [0, 1, 1_000],
    "number": [0.0, 1.0, 1_000.0],
    "boolean": [False, True],
    "date": [date(2024, 1, 31), date(2025, 7, 1)],
    "timestamp": [datetime(2024, 1, 31, 12), datetime(2025, 7, 1)],
}


@dataclass(frozen=True)
class Drift:
    """How one distribution differs. ``chance`` is the PSI that sampling explains.

    ``ks`` is the Kolmogorov-Smirnov distance, the largest between the two cumulative shares;
    categories have none. ``before`` and ``now`` are the shares of ``bins``.
    """

    name: str
    psi: float
    chance: float
    ks: float | None
    drifted: bool
    bins: list[str]
    before: list[float]
    now: list[float]


@dataclass(frozen=True)
class Drifts:
    """``withheld`` are the features that the log does not tell, for they show sensitive inputs."""

    features: list[Drift]
    prediction: Drift
    withheld: list[str]

    @property
    def drifted(self) -> list[Drift]:
        return [drift for drift in self.features if drift.drifted]


def compare(window: Window, model: Model, reference: Reference, limits: Observe) -> Drifts:
    """Judge each feature and the predictions of a window; the farthest from before come first."""
    hidden = withheld(window.rows, model)
    features = dict(zip(model.info.features, window.features.T, strict=True))
    judged = [name for name in model.info.features if name not in hidden]
    tail = FALSE_ALARMS / (len(judged) + 1)
    drifts = [
        drift(name, reference.features[name], features[name], limits.psi_limit, tail)
        for name in judged
    ]
    told = told_by(model.info, window.output)
    return Drifts(
        sorted(drifts, key=lambda one: (not one.drifted, -one.psi)),
        drift("prediction", reference.prediction, told, limits.psi_limit, tail),
        sorted(hidden),
    )


def drift(
    name: str, reference: Distribution, values: NDArray[np.float64], limit: float, tail: float
) -> Drift:
    """Judge values (n,); ``tail`` is the share of false alarms that chance may raise."""
    before = np.array(reference.shares)
    now = reference.counts(values) / len(values)
    found = float(psi(before, now))
    chance = psi_by_chance(before, reference.rows, len(values), tail)
    return Drift(
        name=name,
        psi=found,
        chance=chance,
        ks=distance(reference, values),
        drifted=found > max(limit, chance),
        bins=bin_names(reference),
        before=reference.shares,
        now=now.tolist(),
    )


def psi(before: NDArray[np.float64], now: NDArray[np.float64]) -> NDArray[np.float64]:
    """The index of shares (…, bins)."""
    before, now = np.maximum(before, FLOOR), np.maximum(now, FLOOR)
    return np.asarray(((now - before) * np.log(now / before)).sum(axis=-1))


def psi_by_chance(shares: NDArray[np.float64], before: int, now: int, tail: float) -> float:
    """The PSI that two samples of the same distribution exceed in this share of cases."""
    rng = np.random.default_rng(0)
    exact = shares / shares.sum()
    drawn = [rng.multinomial(rows, exact, DRAWS) / rows for rows in (before, now)]
    return float(np.quantile(psi(*drawn), 1 - tail))


def distance(reference: Distribution, values: NDArray[np.float64]) -> float | None:
    present = values[np.isfinite(values)]
    if isinstance(reference, Levels) or not reference.sketch or len(present) == 0:
        return None
    # The exact p-value would take longer than all the rest, and nobody asks for it.
    return float(ks_2samp(reference.sketch, present, method="asymp").statistic)


def bin_names(reference: Distribution) -> list[str]:
    if isinstance(reference, Levels):
        return [*reference.names, "unknown or missing"]
    return [*_number_bins(reference), "missing"]


def _number_bins(reference: Numbers) -> list[str]:
    edges = reference.edges
    if not edges:
        return ["any"]
    names = [f"under {edges[0]:.4g}"]
    for place, low in enumerate(edges):
        if place + 1 < len(edges) and edges[place + 1] == np.nextafter(low, np.inf):
            names.append(f"{low:.4g}")
        elif place and low == np.nextafter(edges[place - 1], np.inf):
            names.append(f"above {edges[place - 1]:.4g}")
        else:
            names.append(f"from {low:.4g}")
    return names


def withheld(rows: list[Row], model: Model) -> set[str]:
    """The features that change when a sensitive input of these rows does."""
    tried = rows[:TRIED_ROWS]
    inputs = columns(tried, model)
    blank = model.features(inputs)
    changed = np.zeros(len(model.info.features), dtype=bool)
    for column in model.contract.inputs:
        if is_logged(column):
            continue
        for value in TRIED.get(column.type) or model.info.categories.get(column.name, ["text"]):
            same_value = from_rows([{column.name: value}] * len(tried), [column])
            features = model.features({**inputs, **same_value})
            changed |= ~((features == blank) | (np.isnan(features) & np.isnan(blank))).all(axis=0)
    return {name for name, one in zip(model.info.features, changed, strict=True) if one}
