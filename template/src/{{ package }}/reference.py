"""What the features and the predictions of a new model look like, to tell drift from later.

Bins are fixed at training, so that every later comparison asks the same question.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ProjectError
from .model import ModelInfo

NAME = "reference.json"
PARTS = 10
SKETCH_VALUES = 1_000


class ReferenceDamaged(ProjectError):
    """A reference file is not what training writes."""


@dataclass(frozen=True)
class Numbers:
    """Numbers: ``shares`` of the rows under, between and from the ``edges``, the last the missing.

    ``sketch`` holds at most 1,000 sorted values, evenly spread over the distribution.
    """

    rows: int
    edges: list[float]
    shares: list[float]
    sketch: list[float]

    def counts(self, values: NDArray[np.float64]) -> NDArray[np.int_]:
        """How many of the values (n,) lie in each bin, the last for missing ones."""
        return count_numbers(np.array(self.edges), values)


@dataclass(frozen=True)
class Levels:
    """Categories: ``shares`` of the rows by ``names``, the last for the unknown and missing."""

    rows: int
    names: list[str]
    shares: list[float]

    def counts(self, codes: NDArray[np.float64]) -> NDArray[np.int_]:
        """How many of the codes (n,) are of each level, the last for those that are of none."""
        return count_codes(len(self.names), codes)


Distribution = Numbers | Levels


@dataclass(frozen=True)
class Reference:
    """Distributions of the training rows' features and of the predictions on validation rows.

    ``constant`` is the mean output: what a model would answer that knows nothing of a row.
    """

    features: dict[str, Distribution]
    prediction: Distribution
    constant: list[float]


def write(
    path: Path, info: ModelInfo, features: NDArray[np.float32], output: NDArray[np.float64]
) -> None:
    """Write the reference of features (n, f) and of an output (m, k) or (m,)."""
    content = asdict(describe(info, features, output))
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> Reference | None:
    """The reference of a model; None for a model that was made before there was one.

    Raises ReferenceDamaged.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        features = {name: _distribution(item) for name, item in content["features"].items()}
        return Reference(features, _distribution(content["prediction"]), content["constant"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ReferenceDamaged(f"{path} is damaged: put it back, or train a new model") from None


def _distribution(item: Mapping[str, Any]) -> Distribution:
    return Levels(**item) if "names" in item else Numbers(**item)


def describe(
    info: ModelInfo, features: NDArray[np.float32], output: NDArray[np.float64]
) -> Reference:
    return Reference(
        {
            name: levels(info.categories[name], column)
            if name in info.categories
            else numbers(column)
            for name, column in zip(info.features, features.T.astype(np.float64), strict=True)
        },
        predictions(info, output),
        np.atleast_1d(output.mean(axis=0)).tolist(),
    )


def predictions(info: ModelInfo, output: NDArray[np.float64]) -> Distribution:
    """The positive class's probabilities, the likeliest classes, or the values."""
    told = told_by(info, output)
    return levels(list(map(str, info.classes)), told) if len(info.classes) > 2 else numbers(told)


def told_by(info: ModelInfo, output: NDArray[np.float64]) -> NDArray[np.float64]:
    """One number (n,) for each prediction: a probability, the index of a class, or a value."""
    if info.task == "regression":
        return output
    if info.task == "binary":
        return output[:, 1]
    return np.asarray(output.argmax(axis=1), dtype=np.float64)


def levels(names: list[str], codes: NDArray[np.float64]) -> Levels:
    return Levels(len(codes), names, (count_codes(len(names), codes) / len(codes)).tolist())


def numbers(values: NDArray[np.float64]) -> Numbers:
    present = np.sort(values[np.isfinite(values)])
    edges = find_edges(present)
    return Numbers(
        rows=len(values),
        edges=edges.tolist(),
        shares=(count_numbers(edges, values) / len(values)).tolist(),
        sketch=_sketch(present).tolist(),
    )


def find_edges(present: NDArray[np.float64]) -> NDArray[np.float64]:
    """Deciles of sorted values. A value that spans a decile has a bin for itself."""
    if len(present) == 0:
        return present
    deciles = np.quantile(present, np.linspace(0, 1, PARTS + 1), method="inverted_cdf")
    frequent = deciles[1:][np.diff(deciles) == 0]
    return np.unique(np.concatenate([deciles[1:-1], frequent, np.nextafter(frequent, np.inf)]))


def _sketch(present: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(present) <= SKETCH_VALUES:
        return present
    middles = (np.arange(SKETCH_VALUES) + 0.5) / SKETCH_VALUES
    return np.quantile(present, middles, method="inverted_cdf")


def count_numbers(edges: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.int_]:
    present = values[np.isfinite(values)]
    places = np.searchsorted(edges, present, side="right")
    missing = len(values) - len(present)
    return np.append(np.bincount(places, minlength=len(edges) + 1), missing)


def count_codes(levels: int, codes: NDArray[np.float64]) -> NDArray[np.int_]:
    known = np.isfinite(codes) & (codes >= 0) & (codes < levels)
    places = np.where(known, codes, levels).astype(int)
    return np.bincount(places, minlength=levels + 1)
