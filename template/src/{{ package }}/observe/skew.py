"""Training-serving skew: the logged inputs put through features.py again must give what was logged.

Readiness test Monitor 3 of Breck et al. 2017, "training and serving features compute the same
values". A difference says that predictions are made by other code than what is here.
"""

from dataclasses import dataclass

import numpy as np

from ..model import Model
from .window import Window, columns


@dataclass(frozen=True)
class Skew:
    """The largest difference by feature, relative to values beyond 1; 1 where only one is missing.

    Features without a difference are left out.
    """

    rows: int
    largest: float
    features: dict[str, float]


def compare(window: Window, model: Model) -> Skew:
    logged = window.features.astype(np.float32).astype(np.float64)
    again = model.features(columns(window.rows, model)).astype(np.float64)
    size = np.fmax(1, np.fmax(np.abs(logged), np.abs(again)))
    difference = np.abs(logged - again) / size
    difference[np.isnan(logged) != np.isnan(again)] = 1
    difference[np.isnan(logged) & np.isnan(again)] = 0
    largest = difference.max(axis=0)
    found = {
        name: float(one) for name, one in zip(model.info.features, largest, strict=True) if one > 0
    }
    return Skew(
        rows=len(logged),
        largest=float(largest.max()),
        features=dict(sorted(found.items(), key=lambda item: -item[1])),
    )
