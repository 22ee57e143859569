"""Training: the baselines and LightGBM on the same rows, and the choice between them.

The baselines are what a model must beat to be worth its upkeep: a constant, and a linear model.
"""

import json
import shutil
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

from .charter import Charter
from .columns import Categories, Columns, matrix
from .contract import Contract
from .errors import ProjectError
from .export import lightgbm_to_onnx, linear_to_onnx
from .features import features
from .metrics import LOSS_NAME, Array, Bootstrap, number, per_row_loss
from .model import ModelInfo, category_codes, file_digest
from .params import Model as ModelParams
from .params import Params, Task
from .settings import MODEL, MODEL_NAME
from .splits import find_classes, read

BACKGROUND_ROWS = 100

OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}


class FeaturesError(ProjectError):
    """features.py does not fit the contract."""


@dataclass(frozen=True)
class Training:
    """Which kind of model was chosen and why, and the digest of what was written."""

    kind: str
    reason: str
    digest: str


@dataclass(frozen=True)
class Data:
    """Features (n, f) and target (n,) of one split."""

    features: NDArray[np.float32]
    target: Array


def train(params: Params, contract: Contract, charter: Charter) -> Training:
    """Train on the prepared splits and write the chosen model to the model folder."""
    rng = np.random.default_rng(params.seed)
    splits = {name: read(name, contract) for name in ("train", "valid")}
    classes = []
    if params.task != "regression":
        values = splits["train"].values
        classes = find_classes(values, params.positive, params.task == "binary")
    categories = fit_categories(contract, splits["train"].columns, params.model.max_categories)
    codes = category_codes(categories)
    named = {name: named_features(split.columns, codes) for name, split in splits.items()}
    data = {
        name: Data(matrix(named[name]), split.target(classes)) for name, split in splits.items()
    }
    names = list(named["train"])
    # A category that was never seen has no levels, and only missing values.
    levels = {names.index(name): len(categories[name]) for name in names if categories.get(name)}

    rows = data["train"]
    constant = fit_constant(rows.target, len(classes))
    linear = fit_linear(params.task, rows.features.astype(np.float64), rows.target, levels)
    booster = fit_lightgbm(params, rows, len(classes), list(levels), rng)
    kind, reason = choose(params, linear, booster, data["valid"])

    linear_onnx = linear_to_onnx(linear, len(names), MODEL_NAME)
    onnx = lightgbm_to_onnx(booster, MODEL_NAME) if kind == "lightgbm" else linear_onnx
    background = rng.permutation(len(rows.target))[:BACKGROUND_ROWS]
    info = ModelInfo(
        name=MODEL_NAME,
        task=params.task,
        kind=kind,
        classes=classes,
        threshold=charter.costs.threshold if params.task == "binary" else None,
        features=names,
        categories=categories,
    )

    MODEL.mkdir(parents=True, exist_ok=True)
    (MODEL / "model.onnx").write_bytes(onnx)
    (MODEL / "linear.onnx").write_bytes(linear_onnx)
    info.write(MODEL / "model.json")
    baselines = {"constant": constant, "kind": kind, "reason": reason}
    (MODEL / "baselines.json").write_text(json.dumps(baselines, indent=2), encoding="utf-8")
    np.save(MODEL / "background.npy", rows.features[np.sort(background)])
    shutil.copyfile(params.contract_path, MODEL / "contract.odcs.yaml")
    return Training(kind, reason, file_digest(MODEL / "model.onnx"))


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


def choose(
    params: Params, linear: Pipeline, booster: lightgbm.Booster, valid: Data
) -> tuple[str, str]:
    """The kind of model to use, and why. The linear one, unless LightGBM is surely better."""
    if params.model.kind != "auto":
        return params.model.kind, "it is set in params.yaml"
    losses = {
        "linear": predict_linear(linear, valid.features.astype(np.float64)),
        "lightgbm": predict_lightgbm(booster, valid.features),
    }
    loss = {name: per_row_loss(params.task, valid.target, out) for name, out in losses.items()}
    gates = params.gates
    gain = Bootstrap(gates.confidence, gates.resamples, params.seed).mean(
        loss["linear"] - loss["lightgbm"]
    )
    kind = "lightgbm" if gain.low > 0 else "linear"
    means = {name: number(float(values.mean())) for name, values in loss.items()}
    reason = (
        f"on the validation split LightGBM has a {LOSS_NAME[params.task]} of {means['lightgbm']} "
        f"against {means['linear']} of the linear model, difference {gain}: "
        f"{'better' if kind == 'lightgbm' else 'not better'} beyond chance"
    )
    return kind, reason


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
