"""Trained models as ONNX, the one format that is evaluated, stored and served.

Every graph takes the float32 matrix ``features`` (n, f) and has a single output: ``probabilities``
(n, k) of the k classes, or ``value`` (n, 1). The same model always gives the same bytes, so that
the sha256 of the file can name the model.
"""

import re
from typing import Any

import lightgbm
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.utils import Extractor
from onnxmltools.convert import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

# Fixed, so that a newer onnx writes what an older onnxruntime reads.
IR_VERSION = 8
OPSET = 13


def lightgbm_to_onnx(booster: lightgbm.Booster, name: str) -> bytes:
    """A booster that was trained on float32 features, with numeric and categorical splits."""
    rounded = lightgbm.Booster(model_str=_round_thresholds(booster.model_to_string()))
    features = ("features", FloatTensorType([None, rounded.num_feature()]))
    # Without a name the converter invents one, and the bytes differ each time.
    model = convert_lightgbm(rounded, name=name, initial_types=[features], zipmap=False)
    # Classification gives "label" and "probabilities", regression "variable".
    found = model.graph.output[-1].name
    wanted = "value" if found == "variable" else found
    model = Extractor(model).extract_model(["features"], [found])
    model.graph.output[0].name = wanted
    for node in model.graph.node:
        node.output[:] = [wanted if output == found else output for output in node.output]
    return _serialize(model, name)


def _round_thresholds(text: str) -> str:
    """The model text with every split threshold rounded down to float32.

    ONNX compares in float32. A threshold rounded to the nearest may pass a feature that lies
    between the two; the largest float32 that is not above it splits float32 features the same.
    Categorical splits hold small integers here, which this leaves as they are.
    """

    def round_line(line: re.Match[str]) -> str:
        exact = np.array(line[1].split(), dtype=np.float64)
        limit = np.finfo(np.float32).max
        near = np.clip(exact, -limit, limit).astype(np.float32)
        below = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)
        return "threshold=" + " ".join(repr(float(value)) for value in below)

    text = re.sub(r"^threshold=(.*)$", round_line, text, flags=re.MULTILINE)
    # The sizes in bytes of the trees no longer hold; LightGBM reads a model without them.
    return re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE)


def linear_to_onnx(pipeline: Pipeline, n_features: int, name: str) -> bytes:
    """A fitted pipeline of a ColumnTransformer and a linear model.

    The transformer's "numeric" columns are imputed and scaled, its "categorical" codes are one-hot
    encoded; a missing or unseen code is zero in every column. The arithmetic is in float64, as
    scikit-learn's on float64 features: float32 would lose large numbers with a small spread.
    """
    encoder, linear = pipeline[0], pipeline[-1]
    weights, intercept = np.atleast_2d(linear.coef_), np.atleast_1d(linear.intercept_)
    classifier = hasattr(linear, "classes_")
    if classifier and len(weights) == 1:
        # The softmax over a score of zero and a score of z is the sigmoid of z.
        weights = np.vstack([np.zeros_like(weights), weights])
        intercept = np.append(0.0, intercept)

    constants = _encoding(encoder) | {
        "weights": weights.T.astype(np.float64),
        "intercept": intercept.astype(np.float64),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["features"], ["exact"], to=TensorProto.DOUBLE),
        node("Gather", ["exact", "numeric"], ["numbers"], axis=1),
        node("IsNaN", ["numbers"], ["missing"]),
        node("Where", ["missing", "fill", "numbers"], ["filled"]),
        node("Sub", ["filled", "mean"], ["centred"]),
        node("Div", ["centred", "scale"], ["scaled"]),
        node("Gather", ["exact", "categorical"], ["codes"], axis=1),
        node("Equal", ["codes", "levels"], ["matches"]),
        node("Cast", ["matches"], ["indicators"], to=TensorProto.DOUBLE),
        node("Concat", ["scaled", "indicators"], ["encoded"], axis=1),
        node("MatMul", ["encoded", "weights"], ["weighted"]),
        node("Add", ["weighted", "intercept"], ["scores"]),
    ]
    result, output = "scores", "value"
    if classifier:
        nodes.append(node("Softmax", ["scores"], ["shares"], axis=1))
        result, output = "shares", "probabilities"
    nodes.append(node("Cast", [result], [output], to=TensorProto.FLOAT))

    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, n_features])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, len(weights)])],
        [numpy_helper.from_array(array, key) for key, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    return _serialize(model, name)


def _encoding(encoder: ColumnTransformer) -> dict[str, NDArray[Any]]:
    """What the fitted transformer learned, one element per encoded column."""
    learned: dict[str, Any] = {"fill": [], "mean": [], "scale": [], "levels": []}
    indices: dict[str, Any] = {"numeric": [], "categorical": []}
    for name, transformer, columns in encoder.transformers_:
        if name == "numeric" and columns:
            imputer, scaler = transformer
            indices[name] = columns
            learned |= {"fill": imputer.statistics_, "mean": scaler.mean_, "scale": scaler.scale_}
        elif name == "categorical" and columns:
            sizes = [len(levels) for levels in transformer.categories_]
            indices[name] = np.repeat(columns, sizes)
            learned["levels"] = np.concatenate(transformer.categories_)
    return {
        **{key: np.asarray(values, dtype=np.int64) for key, values in indices.items()},
        **{key: np.asarray(values, dtype=np.float64) for key, values in learned.items()},
    }


def _serialize(model: onnx.ModelProto, name: str) -> bytes:
    model.graph.name = name
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content
