"""Training: the baselines and LightGBM on the same rows, and the choice between them.

The baselines are what a model must beat to be worth its upkeep: a constant, and a linear model.
"""

import json
import shutil
from dataclasses import dataclass

import numpy as np

from . import reference
from .charter import Charter
from .columns import matrix
from .contract import Contract
from .export import lightgbm_to_onnx, linear_to_onnx
from .fit import (
    Data,
    coded,
    fit_categories,
    fit_constant,
    fit_lightgbm,
    fit_linear,
    named_features,
    predict_lightgbm,
    predict_linear,
)
from .ids import ids_digest
from .metrics import LOSS_NAME, Array, Bootstrap, number, per_row_loss
from .model import ModelInfo, category_codes, file_digest
from .params import Params
from .settings import MODEL, MODEL_NAME
from .splits import find_classes, read

BACKGROUND_ROWS = 100


@dataclass(frozen=True)
class Training:
    """Which kind of model was chosen and why, and the digest of what was written."""

    kind: str
    reason: str
    digest: str


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
    levels = coded(names, categories)

    rows, valid = data["train"], data["valid"]
    constant = fit_constant(rows.target, len(classes))
    linear = fit_linear(params.task, rows.features.astype(np.float64), rows.target, levels)
    booster = fit_lightgbm(params, rows, len(classes), list(levels), rng)
    outputs = {
        "linear": predict_linear(linear, valid.features.astype(np.float64)),
        "lightgbm": predict_lightgbm(booster, valid.features),
    }
    kind, reason = choose(params, outputs, valid.target)

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
    np.save(MODEL / "trained_on.npy", np.unique(ids_digest(splits["train"].ids)))
    reference.write(MODEL / "reference.json", info, rows.features, outputs[kind])
    shutil.copyfile(params.contract_path, MODEL / "contract.odcs.yaml")
    return Training(kind, reason, file_digest(MODEL / "model.onnx"))


def choose(params: Params, outputs: dict[str, Array], target: Array) -> tuple[str, str]:
    """The kind of model to use, and why. The linear one, unless LightGBM is surely better.

    ``outputs`` are the answers of both kinds on the validation rows.
    """
    if params.model.kind != "auto":
        return params.model.kind, "it is set in params.yaml"
    loss = {name: per_row_loss(params.task, target, output) for name, output in outputs.items()}
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
