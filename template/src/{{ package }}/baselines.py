"""What a model must beat to be worth its upkeep: a constant, and a linear model."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from .bootstrap import Array
from .params import Task


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
    codes = OneHotEncoder(
        categories=[np.arange(count, dtype=np.float64) for count in levels.values()],
        handle_unknown="ignore",
        sparse_output=False,
    )
    encoder = ColumnTransformer(
        [("numeric", numbers, numeric), ("categorical", codes, list(levels))]
    )
    linear = Ridge() if task == "regression" else LogisticRegression(max_iter=1000)
    return Pipeline([("encoder", encoder), ("linear", linear)]).fit(features, target)


def predict_linear(pipeline: Pipeline, features: Array) -> Array:
    """Class probabilities (n, k), or values (n,)."""
    if hasattr(pipeline, "predict_proba"):
        return np.asarray(pipeline.predict_proba(features))
    return np.asarray(pipeline.predict(features))
