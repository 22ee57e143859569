"""Fitting: the features of some rows, the models that are fitted to them, and what these say.

Throughout, features are (n, f), a target (n,) holds class indices or values, and an output holds
class probabilities (n, k) or values (n,).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from .columns import Categories, Columns
from .contract import Contract
from .errors import ProjectError
from .features import features
from .metrics import Array
from .params import Model as ModelParams
from .params import Params, Task

OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}


class FeaturesError(ProjectError):
    """features.py does not fit the contract."""


@dataclass(frozen=True)
class Data:
    """Features (n, f) and target (n,) of some rows."""

    features: NDArray[np.float32]
    target: Array


def named_features(columns: Columns, codes: Categories) -> Columns:
    """What features.py makes of the columns; raise FeaturesError when it wants another one."""
    try:
        return features(columns, codes)
    except KeyError as error:
        raise FeaturesError(
            f"features.py uses the column {error}, but the contract's inputs are "
            f"{', '.join(map(repr, columns))}: adapt features.py"
        ) from None


def fit_categories(contract: Contract, columns: Columns, most: int) -> dict[str, list[str]]:
    """The most frequent levels of each input that is a string, sorted."""
    return {
        column.name: _frequent(columns[column.name], most)
        for column in contract.inputs
        if column.type == "string"
    }


def _frequent(values: Iterable[str | None], most: int) -> list[str]:
    counts = Counter(value for value in values if value is not None)
    # Equally frequent levels are kept by name, not by the order of the rows.
    ranked = sorted(counts, key=lambda level: (-counts[level], level))
    return sorted(ranked[:most])


def coded(names: list[str], categories: dict[str, list[str]]) -> dict[int, int]:
    """How many codes each categorical feature has, by its place among the names."""
    # A category that was never seen has no levels, and only missing values.
    return {names.index(name): len(categories[name]) for name in names if categories.get(name)}


def fit_constant(target: Array, classes: int) -> list[float]:
    """The frequencies of the classes, or the mean: the best that knows nothing of a row."""
    if classes:
        counts = np.bincount(target.astype(int), minlength=classes)
        return [float(count / len(target)) for count in counts]
    return [float(target.mean())]


def fit_linear(task: Task, features: Array, target: Array, levels: dict[int, int]) -> Pipeline:
    """Fit on features (n, f). ``levels`` tells how many codes a categorical feature has.

    A missing number becomes the median; a missing or unknown category is none of the known ones.
    """
    numeric = [index for index in range(features.shape[1]) if index not in levels]
    numbers = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    # Sparse where most indicators are 0: a million rows would take gigabytes.
    codes = OneHotEncoder(
        categories=[np.arange(count, dtype=np.float64) for count in levels.values()],
        handle_unknown="ignore",
    )
    encoder = ColumnTransformer(
        [("numeric", numbers, numeric), ("categorical", codes, list(levels))]
    )
    # With sparse indicators, Ridge approaches its solution instead of computing it.
    linear = Ridge(tol=1e-9) if task == "regression" else LogisticRegression(max_iter=1000)
    return Pipeline([("encoder", encoder), ("linear", linear)]).fit(features, target)


def fit_lightgbm(
    params: Params, rows: Data, classes: int, categorical: list[int], rng: np.random.Generator
) -> lightgbm.Booster:
    """Boosted trees with native categoricals; the same seed and threads give the same trees."""
    return lightgbm.train(
        {
            **_tuning(params.model),
            "objective": OBJECTIVES[params.task],
            "num_class": classes if params.task == "multiclass" else 1,
            "seed": int(rng.integers(2**31)),
            "num_threads": params.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        },
        lightgbm.Dataset(rows.features, rows.target, categorical_feature=categorical),
        num_boost_round=params.model.trees,
    )


def _tuning(model: ModelParams) -> dict[str, Any]:
    return {
        "num_leaves": model.leaves,
        "learning_rate": model.learning_rate,
        "min_data_in_leaf": model.min_rows_in_leaf,
        "bagging_fraction": model.bagging_fraction,
        "bagging_freq": 1,
        # Of a category with few rows, little is believed.
        "cat_smooth": 50,
        "cat_l2": 50,
    }


def predict_linear(pipeline: Pipeline, features: Array) -> Array:
    """Class probabilities (n, k), or values (n,)."""
    if hasattr(pipeline, "predict_proba"):
        return np.asarray(pipeline.predict_proba(features))
    return np.asarray(pipeline.predict(features))


def predict_lightgbm(booster: lightgbm.Booster, features: NDArray[np.float32]) -> Array:
    """Class probabilities (n, k), or values (n,)."""
    output = np.asarray(booster.predict(features))
    if booster.params["objective"] == "binary":
        return np.column_stack([1 - output, output])
    return output
